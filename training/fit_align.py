"""Stage 0: where good parts lie, and whether it pays to move them there.

In: good pictures (N,H,W,3) uint8, some to learn from and some held out. Out: an `Alignment`, which moves pictures.
Refuses nothing. No network, no label and no test picture is looked at; it costs seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from detector.align import Aligner, orientations
from detector.motion import Shift
from detector.spec import AlignSpec
from detector.turn import Turner
from training.batches import batch_size, batches
from training.config import TrainConfig
from training.fit_turn import fit_turner, unexplained_still, unexplained_turned
from training.rebuild import Pictures

LEARNT_FROM = 256  # pictures, evenly spread: a mean edge is no sharper for more
ROUNDS = 3  # reference and shifts are found in turn
# Of what good parts leave unexplained as they lie. Three products as they are came to 0.01 to 0.09 and three whose
# pictures were cut at random to 0.02 to 0.06, two that were shifted by up to 4 % to 0.41 and 0.75 (docs/method.md).
WORTH_IT = 0.15
TURNS = (15.0, 180.0)  # degrees, tried in this order: a wider fan costs more, and has more to mistake

AnyAligner = Aligner | Turner


@dataclass(frozen=True)
class Alignment:
    """What was decided, and by which figures."""

    aligner: AnyAligner | None
    """None: parts are taken as they lie."""
    gain: float | None = None
    """`gain` of shifting, on held-out pictures; None where the configuration left nothing to decide."""
    turn_gain: float | None = None
    """By which share less is unexplained there for the best of the turns that were tried than without one; None where
    none were."""

    def moved(self, pictures: Pictures) -> Pictures:
        """The same pictures as the networks will see them."""
        return pictures if self.aligner is None else moved(self.aligner, pictures)


def fit_alignment(
    config: TrainConfig, pictures: Pictures, held_out: Pictures, device: torch.device, *, stretch: float
) -> Alignment:
    """By what the configuration says, or by what held-out good pictures gain; `stretch` as in `AlignSpec`."""
    if config.align.use == "off" or (config.align.use == "auto" and config.tiles is not None):
        return Alignment(None)
    reach = max(1, int(config.align.reach * min(config.input.height, config.input.width)))
    if config.align.use == "on" and config.align.turn != "auto" and config.align.turn > 0:
        spec = AlignSpec(reach=reach, turn=config.align.turn, stretch=stretch)
        return Alignment(fit_turner(spec, pictures, device))
    aligner = fit_aligner(AlignSpec(reach=reach), pictures, device)
    measured = None if config.align.use == "on" else gain(aligner, pictures, held_out)
    shifted = Alignment(aligner if measured is None or measured >= WORTH_IT else None, measured)
    turns = TURNS if config.align.turn == "auto" else (config.align.turn,)
    specs = [AlignSpec(reach=reach, turn=turn, stretch=stretch) for turn in turns if turn > 0]
    return turned(specs, shifted, (pictures, held_out), device) if specs else shifted


def turned(
    specs: Sequence[AlignSpec], shifted: Alignment, roles: tuple[Pictures, Pictures], device: torch.device
) -> Alignment:
    """`shifted`, unless turning by one of `specs` leaves clearly less of held-out good pictures unexplained than the
    same without a turn, and than the specs before it."""
    pictures, held_out = roles
    still = fit_turner(replace(specs[0], turn=0.0), pictures, device)  # as fine, so that a part of a pixel is no turn
    lying = min(unexplained_still(pictures, held_out, device), unexplained_turned(still, held_out))
    found, least, best = shifted.aligner, lying, lying
    for spec in specs:
        turner = fit_turner(spec, pictures, device)
        left = unexplained_turned(turner, held_out)
        best = min(best, left)
        if left <= (1 - WORTH_IT) * least:
            found, least = turner, left
    return Alignment(found, shifted.gain, 1 - best / lying if lying > 0 else 0.0)


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
    return torch.cat([aligner.offsets(batch).cpu() for batch in batches(pictures, aligner.edges.device)])


@torch.no_grad()
def moved(aligner: AnyAligner, pictures: Pictures) -> Pictures:
    """The same pictures with every part where good parts lie, as `Detector.forward` moves it, but for rounding."""
    parts = [
        (aligner(batch).move(batch) * 255).round().byte().permute(0, 2, 3, 1).cpu()  # as bytes: all are in memory
        for batch in batches(pictures, aligner.edges.device)
    ]
    return torch.cat(parts).numpy() if parts else pictures


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
        fields = torch.view_as_real(orientations(Shift(rows.to(device)).move(batch))).double()
        total += fields.sum(dim=0).permute(2, 0, 1)
    return total / len(pictures)
