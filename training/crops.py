"""Random windows of large pictures: what networks are fitted on, and weights chosen by, where `tiles` are on.

In: pictures (N,H,W,3) uint8, a seed. Out: windows (M,S,S,3) of them, their masks, a detector that sees such a window.
The same pictures and seed give the same windows, so an interrupted fit goes on. Refuses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from detector.pipeline import Detector, stack
from detector.spec import TILE_STEP, TileSpec
from training.rebuild import Pictures

SIDE = 256  # px: what networks of products without tiles are fitted on
FITTED_ON = 512  # windows, for the reconstruction network
HELD_OUT = 128  # for the attenuator


@dataclass(frozen=True)
class Place:
    """Where a window lies: picture, and the pixels of its upper left corner."""

    row: int
    top: int
    left: int


@dataclass(frozen=True)
class Views:
    """What a network is fitted on: pictures, or windows of them where they are large."""

    whole: Pictures
    pictures: Pictures
    """The same, or (M,S,S,3) at the places."""
    places: tuple[Place, ...] | None
    """None: whole pictures."""

    def masks(self, detector: Detector) -> Tensor | None:
        """(M,1,S,S) float32 on the CPU, of the masks of the whole pictures, as they are in service; None: the pictures
        are whole and can be asked for theirs."""
        return None if self.places is None else cut_masks(detector, self.whole, self.places)


def take_views(pictures: Pictures, tiles: TileSpec | None, count: int, *, seed: int) -> Views:
    """`count` windows where there are tiles, else the pictures."""
    if tiles is None:
        return Views(pictures, pictures, None)
    places = draw_places(pictures, count, seed=seed)
    return Views(pictures, cut(pictures, places), places)


def draw_places(pictures: Pictures, count: int, *, seed: int) -> tuple[Place, ...]:
    """`count` places, as many in each picture as in the next, give or take one; on the step of tiles, so that every
    stride meets its grid."""
    random = np.random.Generator(np.random.PCG64(seed))
    height, width = (max(1, (length - SIDE) // TILE_STEP + 1) for length in pictures.shape[1:3])
    rows = np.sort(np.resize(random.permutation(len(pictures)), count))
    tops, lefts = TILE_STEP * random.integers(height, size=count), TILE_STEP * random.integers(width, size=count)
    return tuple(Place(*map(int, place)) for place in zip(rows, tops, lefts, strict=True))


def cut(pictures: Pictures, places: Sequence[Place]) -> Pictures:
    """(M,S,S,3), or as large as the pictures are where they are smaller."""
    return np.stack([pictures[p.row, p.top : p.top + SIDE, p.left : p.left + SIDE] for p in places])


@torch.no_grad()
def cut_masks(detector: Detector, pictures: Pictures, places: Sequence[Place]) -> Tensor:
    """(M,1,S,S) float32 on the CPU, of the masks of the whole pictures, as they are in service."""
    device, masks, row, whole = next(detector.unet.parameters()).device, [], -1, torch.empty(0)
    for place in places:
        if place.row != row:  # they ascend
            row, whole = place.row, detector.saliency(stack([pictures[place.row]], device))
        masks.append(whole[..., place.top : place.top + SIDE, place.left : place.left + SIDE].cpu())
    return torch.cat(masks)


def window_evidence(detector: Detector, place: Place, pictures: Tensor, mask: Tensor) -> Tensor:
    """Standardised evidence (B,M,S,S) of windows (B,3,S,S) at one place, hidden behind the mask (1,1,S,S) of it."""
    eye = window_detector(detector, place)
    seen = eye.see(pictures)
    if seen.masks is not None:
        seen = replace(seen, masks=mask.expand_as(seen.masks))
    standardised: Tensor = eye.evidence.standardiser(eye.evidence.raw(eye.clues(pictures, seen)))
    return standardised


def window_detector(detector: Detector, place: Place) -> Detector:
    """`detector` for windows at `place` alone: the same networks, and the statistics of that place."""
    size = detector.spec.input
    height, width = min(SIDE, size.height), min(SIDE, size.width)
    rows, columns = slice(place.top, place.top + height), slice(place.left, place.left + width)
    return Detector(
        replace(detector.spec, input=replace(size, height=height, width=width), tiles=None),
        saliency=detector.saliency,
        unet=detector.unet,
        fader=detector.fader,
        backbone=detector.backbone,
        filters=detector.filters,
        evidence=detector.evidence.inside(rows, columns),
        aligner=None,
    ).eval()
