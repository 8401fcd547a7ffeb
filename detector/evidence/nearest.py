"""How far a part's features are from the nearest ones that good parts have, wherever those lay (PatchCore, Roth et al.
2022): for parts that arrive in any pose.

In: a grid of feature vectors (B,C,h,w). Out: distances (B,h,w), 0 or more, about 1 on good parts.
Vectors are reduced and whitened as pooled statistics would (detector/evidence/gaussian.py). A bank of such vectors of
good parts is kept: a greedy k-centre coreset, so that rare places are in it too.
Refuses: good pictures that give no distribution (`CalibrationError`).
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from detector.evidence.gaussian import GaussianField
from detector.spec import FeatureSpec

NEIGHBOURS = 3  # vectors of the bank whose mean distance counts: a single one may be an oddity, as PatchCore reweighs
CANDIDATES = 30_000  # vectors, drawn from all good pictures, that the bank is chosen from: bounds a fit (ours)
AT_ONCE = 1024  # cells that are compared at once: 16 MB for a bank of 4000


class NearestField(nn.Module):
    """Mean distance from the nearest vectors of the bank, per cell of a grid, divided by the root of the dimensions."""

    bank: Tensor

    def __init__(self, spec: FeatureSpec, *, channels: int, rows: int, columns: int) -> None:
        super().__init__()
        self.spec = spec
        self.rows, self.columns = rows, columns
        self.space = GaussianField(replace(spec, statistics="pooled"), channels=channels, rows=rows, columns=columns)
        self.register_buffer("bank", torch.zeros(spec.bank, min(spec.dimensions, channels)).half())

    def forward(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (B,h,w); picture by picture, so that memory is bounded and no other picture moves a bit."""
        bank = self.bank.float()
        distances = [
            _distances(block, bank)
            for single in torch.split(grid, 1)
            for block in torch.split(self.space.white(single)[:, 0], AT_ONCE)
        ]
        return torch.cat(distances).reshape(len(grid), self.rows, self.columns)

    def inside(self, rows: slice, columns: slice) -> "NearestField":
        """The same bank for a window of the grid, in cells."""
        space = self.space.inside(rows, columns)
        field = NearestField(self.spec, channels=len(space.centre), rows=space.rows, columns=space.columns)
        field.space, field.bank = space, self.bank
        return field

    def fit(self, some: Iterable[Tensor], grids: Iterable[Tensor]) -> None:
        """Set the space from `some` grids (B,C,h,w), gone through twice, and the bank from all `grids` of good parts.

        Raises what `GaussianField.fit` does.
        """
        self.space.fit(some, some)
        candidates = _drawn((self.space.white(grid).transpose(0, 1).flatten(0, 1) for grid in grids), CANDIDATES)
        chosen = coreset(candidates, len(self.bank))
        self.bank.copy_(candidates[chosen[torch.arange(len(self.bank)) % len(chosen)]])


def coreset(vectors: Tensor, size: int) -> Tensor:
    """Rows of (N,D), at most `size`: first the one nearest to the mean, then always the one that is furthest from all
    that are chosen (Gonzalez 1985). The same vectors give the same rows."""
    squares = vectors.square().sum(dim=1)
    furthest = int((vectors - vectors.mean(dim=0)).square().sum(dim=1).argmin())
    chosen, distances = [furthest], torch.full_like(squares, torch.inf)
    for _ in range(min(size, len(vectors)) - 1):
        last = squares - 2 * (vectors @ vectors[furthest]) + squares[furthest]
        distances = torch.minimum(distances, last)
        furthest = int(distances.argmax())
        chosen.append(furthest)
    return torch.tensor(chosen)


def _distances(vectors: Tensor, bank: Tensor) -> Tensor:
    """(N,D) and (K,D) → (N,). Which are near is told by a matrix product; how far, by differences, which are exact."""
    squares = bank.square().sum(dim=1) - 2 * (vectors @ bank.T)
    nearest = squares.topk(min(NEIGHBOURS, len(bank)), dim=1, largest=False).indices
    return (bank[nearest] - vectors.unsqueeze(1)).square().mean(dim=2).sqrt().mean(dim=1)


def _drawn(parts: Iterable[Tensor], most: int) -> Tensor:
    """At most that many of the vectors (N,D) of all parts, each as likely as the next; the same ones every time."""
    random = torch.Generator().manual_seed(0)
    kept, lots = torch.empty(0), torch.empty(0)
    for part in parts:
        kept = torch.cat([kept.reshape(-1, part.shape[1]), part.cpu()])
        lots = torch.cat([lots, torch.rand(len(part), generator=random)])
        first = lots.topk(min(most, len(lots)), largest=False, sorted=False).indices.sort().values
        kept, lots = kept[first], lots[first]
    return kept
