"""Stage 1: fit the reconstruction network to good pictures (EAR, RIAD).

In: a built detector and pictures (N,H,W,3) uint8. Out: its U-Net trained in place, and one record per epoch.
Resumes from its last finished epoch; on a CPU with the same number of threads the weights come out the same.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from detector.pipeline import Detector, stack
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import FitConfig
from training.errors import FitDiverged
from training.losses import ReconstructionLoss, reconstruction_loss, riad_loss
from training.rebuild import Pictures, Rows, rebuilder

CHECKPOINT = "reconstruction.safetensors"
WARM_UP_EPOCHS = 5  # as in the first author's RIAD code; never more than a fifth of the run
FINAL_RATE = 0.01  # of the peak, where the cosine ends
FIRST_CYCLE, RESTARTS_END = 20, 0.2  # SGDR: epochs of the first cycle, then 40, 80, …; of the peak (the author's code)
STEP_AT, STEP = 5 / 6, 0.1  # the rate falls once, after 250 of 300 epochs (RIAD)


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did: means over its steps, the rate of its last step, and wall-clock seconds."""

    epoch: int
    loss: float
    l2: float
    ssim: float
    msgms: float
    learning_rate: float
    seconds: float
    planned: int = 0
    """Epochs in all, as planned when this one began; 0 where it was not recorded."""


Plan = Callable[[Sequence[EpochRecord]], int]  # the epochs so far → how many there shall be in all


def fit_reconstruction(  # noqa: PLR0913 -- a fit is told these, and each is one thing
    detector: Detector,
    images: Pictures,
    config: FitConfig,
    *,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[EpochRecord], None],
    plan: Plan | None = None,
    masks: Tensor | None = None,
) -> tuple[EpochRecord, ...]:
    """Train `detector.unet` in place; `checkpoint` is a folder. Returns the records of resumed epochs too.

    `plan` is asked before every epoch how many there shall be; without it, as many as `config` says. `on_epoch` is
    called once for every epoch that is run here. `masks` (N,1,H,W) are those of windows that were cut from larger
    pictures; others are made here. The skips stay open: the attenuator comes after.
    """
    device, unet = next(detector.unet.parameters()).device, detector.unet.train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    history = [EpochRecord(**record) for record in load_checkpoint(checkpoint / CHECKPOINT, unet, optimizer)]
    rebuild = rebuilder(detector, images, config, masks)
    while (epoch := len(history)) < (planned := plan(history) if plan else config.epochs):
        started, schedule = time.perf_counter(), config.model_copy(update={"epochs": planned})
        random = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        sums, steps = torch.zeros(4, dtype=torch.float64), 0
        for rows in shuffled_batches(len(images), config.batch_size, random):
            rate = learning_rate(schedule, epoch + steps * config.batch_size / len(images))
            optimizer.param_groups[0]["lr"] = rate
            pictures = _vary_brightness(stack(list(images[rows]), device), config.brightness, random)
            loss = _loss(pictures, rebuild(pictures, rows, random), config)
            optimizer.zero_grad()
            loss.total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            sums, steps = sums + _terms(loss), steps + 1
        loss_mean, l2, ssim, msgms = (sums / steps).tolist()
        history.append(EpochRecord(epoch, loss_mean, l2, ssim, msgms, rate, time.perf_counter() - started, planned))
        save_checkpoint(checkpoint / CHECKPOINT, unet, optimizer, [asdict(record) for record in history])
        on_epoch(history[-1])
    unet.eval().to(memory_format=torch.contiguous_format)  # as a version is stored and scored with
    return tuple(history)


def learning_rate(config: FitConfig, epoch: float) -> float:
    """The rate at `epoch`, counted in fractions: constant, lowered once, restarted, warmed up, with a cosine or not."""
    match config.schedule:
        case "fixed":
            return config.learning_rate
        case "step":
            return config.learning_rate * (STEP if epoch >= STEP_AT * config.epochs else 1)
        case "sgdr":
            return config.learning_rate * _cosine(_since_restart(epoch), end=RESTARTS_END)
    warm_up = min(WARM_UP_EPOCHS, config.epochs / 5)
    if epoch < warm_up:
        return config.learning_rate * max(epoch / warm_up, FINAL_RATE)
    if config.schedule == "warm-up":
        return config.learning_rate
    progress = (epoch - warm_up) / max(config.epochs - warm_up, 1)
    return config.learning_rate * _cosine(min(progress, 1.0), end=FINAL_RATE)


def _cosine(progress: float, *, end: float) -> float:
    """Half a cosine from 1 at progress 0 to `end` at 1."""
    return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2


def _since_restart(epoch: float) -> float:
    """The share, in [0, 1), of its own cycle that has passed; each cycle is twice as long as the one before."""
    cycle = math.floor(math.log2(epoch / FIRST_CYCLE + 1))
    begun = FIRST_CYCLE * ((1 << cycle) - 1)
    return (epoch - begun) / (FIRST_CYCLE << cycle)


def shuffled_batches(count: int, batch_size: int, random: torch.Generator) -> Iterator[Rows]:
    """Every row once, in an order drawn from `random`; the last batch may be smaller."""
    order = torch.randperm(count, generator=random).numpy()
    yield from (order[start : start + batch_size] for start in range(0, count, batch_size))


def _loss(pictures: Tensor, reconstructions: Tensor, config: FitConfig) -> ReconstructionLoss:
    if config.loss == "riad":
        return riad_loss(pictures, reconstructions)
    return reconstruction_loss(pictures, reconstructions, lamp=config.lamp)


def _vary_brightness(pictures: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Multiply each picture by its own factor in [1 - strength, 1 + strength]: a lamp is never quite the same."""
    if strength == 0:
        return pictures
    factors = 1 + strength * (2 * torch.rand(len(pictures), generator=random) - 1)
    return (pictures * factors.view(-1, 1, 1, 1).to(pictures.device)).clamp(0, 1)


def _terms(loss: ReconstructionLoss) -> Tensor:
    terms = torch.stack((loss.total, loss.l2, loss.ssim, loss.msgms)).detach().cpu().double()
    if not torch.isfinite(terms).all():
        raise FitDiverged("the loss is not finite; lower fit.learning_rate and start over with --fresh")
    return terms
