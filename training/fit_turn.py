"""Stage 0 for parts that arrive turned: where the edges of good parts stand, whichever way each of them lies.

In: good pictures (N,H,W,3) uint8. Out: a `Turner`; what its edges leave unexplained. Refuses nothing.
Where parts may lie anyhow, their mean is rings. So the edges of one picture come first, of a few the one that others
fit best; then edges and poses are found in turn, as for shifts.
"""

import math
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor

from detector.align import orientations
from detector.spec import AlignSpec
from detector.turn import Turner, thumbnails
from training.batches import batches
from training.rebuild import Pictures

BATCH_SIZE = 16
LEARNT_FROM = 96  # pictures, evenly spread: half a minute of one core for `auto`
SEEDS = 5  # pictures that may come first
JURY = 16  # pictures that judge them
ROUNDS = 3

Many = TypeVar("Many", Pictures, Tensor)


@torch.no_grad()
def fit_turner(spec: AlignSpec, pictures: Pictures, device: torch.device) -> Turner:
    """The mean edges of good parts, about the middle that they turn and shift by least."""
    turner = Turner(spec, height=pictures.shape[1], width=pictures.shape[2]).to(device)
    small = torch.cat(list(_thumbnails(_spread(pictures, LEARNT_FROM), device)))
    turner.learn(_first_edges(turner, small))
    for _ in range(ROUNDS):
        poses = turner.centred(_poses(turner, small))
        turner.learn(_mean_edges(turner, small, poses))
    return turner


@torch.no_grad()
def unexplained_turned(turner: Turner, pictures: Pictures) -> float:
    """Mean squared distance of a thumbnail's edges from those of good parts, once parts are in place."""
    total, known = 0.0, 0.0
    for small in _thumbnails(pictures, turner.edges.device):
        poses = turner.poses(small)
        placed, is_known = turner.placed(small, poses)
        total += float(((placed - turner.reference).abs().square() * is_known).sum())
        known += float(is_known.sum())
    return total / max(1.0, known)


@torch.no_grad()
def unexplained_still(pictures: Pictures, held_out: Pictures, device: torch.device) -> float:
    """The same of `held_out` that no turner moves, against the mean edges of `pictures`."""
    edges, rest = (
        torch.cat([orientations(small) for small in _thumbnails(some, device)])
        for some in (_spread(pictures, LEARNT_FROM), held_out)
    )
    return float((rest - edges.mean(dim=0)).abs().square().mean())


def _first_edges(turner: Turner, small: Tensor) -> Tensor:
    """Of that picture which the others fit best."""
    jury, fits = _spread(small, JURY), []
    seeds = [orientations(seed[None])[0] for seed in _spread(small, SEEDS)]
    for seed in seeds:
        turner.learn(seed)
        fits.append(float(turner.fits(jury, _poses(turner, jury)).mean()))
    return seeds[fits.index(max(fits))]


def _poses(turner: Turner, small: Tensor) -> Tensor:
    return torch.cat([turner.poses(batch) for batch in torch.split(small, BATCH_SIZE)])


def _mean_edges(turner: Turner, small: Tensor, poses: Tensor) -> Tensor:
    """(h,w) complex64; a place that few pictures show has weak edges."""
    total = torch.zeros_like(turner.reference)
    for batch, rows in zip(torch.split(small, BATCH_SIZE), torch.split(poses, BATCH_SIZE), strict=True):
        placed, is_known = turner.placed(batch, rows)
        total += (placed * is_known).sum(dim=0)
    return total / len(small)


def _spread(pictures: Many, most: int) -> Many:
    return pictures[:: max(1, math.ceil(len(pictures) / most))]


def _thumbnails(pictures: Pictures, device: torch.device) -> Iterator[Tensor]:
    return (thumbnails(batch) for batch in batches(pictures, device))
