"""Stage 0: where good parts lie, and whether it pays to move them there.

In: good pictures (N,H,W,3) uint8, some to learn from and some held out. Out: an `Alignment`, which moves pictures.
Refuses nothing. No network, no label and no test picture is looked at; it costs seconds.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detector.align import Aligner, move, orientations
from detector.spec import AlignSpec
from training.batches import batch_size, batches
from training.config import TrainConfig
from training.rebuild import Pictures

LEARNT_FROM = 256  # pictures, evenly spread: a mean edge is no sharper for more
ROUNDS = 3  # reference and shifts are found in turn
# Of what good parts leave unexplained as they lie. Three products as they are came to 0.01 to 0.09 and three whose
# pictures were cut at random to 0.02 to 0.06, two that were shifted by up to 4 % to 0.41 and 0.75 (docs/method.md).
WORTH_IT = 0.15


@dataclass(frozen=True)
class Alignment:
    """What was decided, and by which figure."""

    aligner: Aligner | None
    """None: parts are taken as they lie."""
    gain: float | None
    """`gain` on held-out pictures; None where the configuration left nothing to decide."""

    def moved(self, pictures: Pictures) -> Pictures:
        """The same pictures as the networks will see them."""
        return pictures if self.aligner is None else moved(self.aligner, pictures)


def fit_alignment(config: TrainConfig, pictures: Pictures, held_out: Pictures, device: torch.device) -> Alignment:
    """By what the configuration says, or by what held-out good pictures gain."""
    if config.align.use == "off" or (config.align.use == "auto" and config.tiles is not None):
        return Alignment(None, None)
    shorter = min(config.input.height, config.input.width)
    aligner = fit_aligner(AlignSpec(reach=max(1, int(config.align.reach * shorter))), pictures, device)
    if config.align.use == "on":
        return Alignment(aligner, None)
    measured = gain(aligner, pictures, held_out)
    return Alignment(aligner if measured >= WORTH_IT else None, measured)


def fit_aligner(spec: AlignSpec, pictures: Pictures, device: torch.device) -> Aligner:
    """The mean edges of good parts, from the parts as they lie and then as those edges move them."""
    height, width = pictures.shape[1:3]
    aligner = Aligner(spec, height=height, width=width).to(device)
    some = _some(pictures)
    offsets = torch.zeros(len(some), 2, dtype=torch.int64)
    aligner.edges.copy_(_mean_edges(some, offsets, device))
    for _ in range(ROUNDS):
        offsets = offsets_of(aligner, some)
        offsets = offsets - offsets.median(dim=0).values  # most parts stay, so that the reach is enough on either side
        aligner.edges.copy_(_mean_edges(some, offsets, device))
    return aligner


@torch.no_grad()
def offsets_of(aligner: Aligner, pictures: Pictures) -> Tensor:
    """(N,2) int64 on the CPU."""
    return torch.cat([aligner(batch).cpu() for batch in batches(pictures, aligner.edges.device)])


def moved(aligner: Aligner, pictures: Pictures) -> Pictures:
    """The same pictures with every part where good parts lie, as `Detector.forward` moves it."""
    offsets = offsets_of(aligner, pictures)
    parts = [
        move(torch.from_numpy(picture).permute(2, 0, 1)[None], offset[None])[0].permute(1, 2, 0).numpy()
        for picture, offset in zip(pictures, offsets, strict=True)
    ]
    return np.stack(parts) if parts else pictures


@torch.no_grad()
def gain(aligner: Aligner, pictures: Pictures, held_out: Pictures) -> float:
    """By which share less of the edges of `held_out` is unexplained by mean edges once parts are moved; at most 1."""
    some = _some(pictures)
    before = _unexplained(held_out, _mean_edges(some, torch.zeros(len(some), 2).long(), aligner.edges.device))
    return 1 - _unexplained(moved(aligner, held_out), aligner.edges) / before if before > 0 else 0.0


def _some(pictures: Pictures) -> Pictures:
    return pictures[:: max(1, len(pictures) // LEARNT_FROM)][:LEARNT_FROM]


def _unexplained(pictures: Pictures, edges: Tensor) -> float:
    """Mean squared distance of the pictures' edges from `edges`."""
    reference = torch.complex(*edges.float().unbind())
    seen = batches(pictures, edges.device)
    return sum(float((orientations(batch) - reference).abs().square().sum()) for batch in seen) / len(pictures)


@torch.no_grad()
def _mean_edges(pictures: Pictures, offsets: Tensor, device: torch.device) -> Tensor:
    """(2,H,W) float64 of the pictures moved by `offsets`."""
    total = torch.zeros(2, *pictures.shape[1:3], dtype=torch.float64, device=device)
    parts = torch.split(offsets, batch_size(pictures))
    for rows, batch in zip(parts, batches(pictures, device), strict=True):
        fields = torch.view_as_real(orientations(move(batch, rows.to(device)))).double()
        total += fields.sum(dim=0).permute(2, 0, 1)
    return total / len(pictures)
