"""Stage 2: fit the attenuator to the frozen reconstruction network's errors (FADeR).

In: a detector whose U-Net is trained, and good pictures (N,H,W,3) uint8 that it was not trained on.
Out: its fader trained and standardised in place, and one record per epoch.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from detector.fader import Fader
from detector.pipeline import Detector, stack
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import FaderConfig
from training.fit import shuffled_batches
from training.losses import pairwise_loss, regression_loss, relative_loss
from training.rebuild import Pictures, masks_of

CHECKPOINT = "fader.safetensors"
BATCH_SIZE = 8  # pictures
PATCHES = 256  # drawn from each picture at each step
LOSSES = {"relative": relative_loss, "pairwise": pairwise_loss, "regression": regression_loss}


@dataclass(frozen=True)
class FaderEpoch:
    """What one epoch did; `rank_correlation` is Spearman's, inside a picture, averaged over the drawn patches."""

    epoch: int
    loss: float
    rank_correlation: float
    seconds: float


def fit_fader(  # noqa: PLR0913 -- a fit is told these, and each is one thing
    detector: Detector,
    images: Pictures,
    config: FaderConfig,
    *,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[FaderEpoch], None],
    masks: Tensor | None = None,
) -> tuple[FaderEpoch, ...]:
    """Train `detector.fader` in place; does nothing for a detector without one. `masks`: as of the network's fit."""
    fader = detector.fader
    if fader is None:
        return ()
    optimizer = torch.optim.AdamW(fader.parameters(), lr=config.learning_rate)
    history = [FaderEpoch(**record) for record in load_checkpoint(checkpoint / CHECKPOINT, fader, optimizer)]
    hints, errors = patch_errors(detector, images, fader.patch, masks)
    for epoch in range(len(history), config.epochs):
        started = time.perf_counter()
        random = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        loss_sum, correlation_sum, steps = 0.0, 0.0, 0
        for rows in shuffled_batches(len(images), BATCH_SIZE, random):
            drawn = torch.randperm(errors.shape[1], generator=random)[:PATCHES].to(errors.device)
            predicted = fader(hints[rows]).flatten(1)[:, drawn]
            truth = errors[rows][:, drawn]
            loss = LOSSES[config.loss](predicted, truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss_sum, steps = loss_sum + loss.item(), steps + 1
            correlation_sum += rank_correlation(predicted.detach(), truth)
        record = FaderEpoch(epoch, loss_sum / steps, correlation_sum / steps, time.perf_counter() - started)
        history.append(record)
        save_checkpoint(checkpoint / CHECKPOINT, fader, optimizer, [asdict(record) for record in history])
        on_epoch(record)
    _standardise(fader, hints)
    return tuple(history)


@torch.no_grad()
def patch_errors(
    detector: Detector, images: Pictures, patch: int, masks: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Hints (N,3,H,W), and the mean absolute error of the frozen U-Net per patch (N,h*w), skips open.

    The papers' pooling and error are not public; the absolute error over a patch is ours.
    """
    device = next(detector.unet.parameters()).device
    masks = masks_of(detector, images) if masks is None else masks
    hints, errors = [], []
    for start in range(0, len(images), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        pictures = stack(list(images[rows]), device)
        hint = detector.hints(pictures, masks[rows].to(device))
        residual = (pictures - detector.reconstruct(hint, None)).abs().mean(dim=1, keepdim=True)
        hints.append(hint)
        errors.append(F.avg_pool2d(residual, patch).flatten(1))
    return torch.cat(hints), torch.cat(errors)


def rank_correlation(predicted: Tensor, errors: Tensor) -> float:
    """Spearman's coefficient per row of (B,N), averaged; in [-1, 1]."""
    ranks = [values.argsort(dim=1).argsort(dim=1).double() for values in (predicted, errors)]
    centred = [rank - rank.mean(dim=1, keepdim=True) for rank in ranks]
    products = (centred[0] * centred[1]).sum(dim=1)
    norms = (centred[0].square().sum(dim=1) * centred[1].square().sum(dim=1)).sqrt()
    return float((products / norms.clamp(min=1)).mean())


@torch.no_grad()
def _standardise(fader: Fader, hints: Tensor) -> None:
    fader.standardise(torch.cat([fader(batch) for batch in torch.split(hints, BATCH_SIZE)]))
