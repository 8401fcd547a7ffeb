"""How far a part's features are from those of good parts, place by place (PaDiM, Defard et al. 2021).

In: a grid of feature vectors (B,C,h,w). Out: distances (B,h,w), 0 or more, about 1 on good parts.
The features are first reduced to the principal directions of good parts, then divided by the root of the mean energy
around them (divisive normalisation, Carandini and Heeger 2012: a brighter or coarser part has more of everything).
Each place has a normal distribution of its own, or all share one (`pooled`, for parts that do not lie alike);
covariances are shrunk to the pooled one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.errors import CalibrationError
from detector.spec import FeatureSpec

RIDGE = 1e-3  # of the mean variance, on every diagonal: a direction that never varied must not divide by 0 (ours)
QUIET = 1e-3  # of the mean deviation: a channel that is dead in some pictures must not outweigh all others in the next

SURROUND_FLOOR = 0.1  # of the mean energy of good parts: a flat surrounding must not blow its noise up (ours)
PLACES = 256  # distributions that are factored at once: bounds the memory of a fit
CACHED = 16  # whiteners that a CPU widens to single precision at once: 640 kB of 100 dimensions
WIDENED = 4096  # and a GPU, 160 MB: those of a large picture together would be gigabytes
DRAWN_CELLS = 4096  # of each picture that directions are learnt from; a grid of 512 px at 8 px a cell has no more


@dataclass
class _Moments:
    """Running sums over good pictures, in float64: count, (N,D) and (N,D,D) over the N places."""

    count: int
    first: Tensor
    second: Tensor


class GaussianField(nn.Module):
    """Mahalanobis distance per cell of a grid, divided by the root of the dimensions."""

    centre: Tensor
    directions: Tensor
    mean: Tensor
    whitener: Tensor

    def __init__(self, spec: FeatureSpec, *, channels: int, rows: int, columns: int) -> None:
        super().__init__()
        self.spec = spec
        self.rows, self.columns = rows, columns
        size = min(spec.dimensions, channels)
        fields = rows * columns if spec.statistics == "per-location" else 1
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("directions", torch.eye(channels)[:, :size].clone())
        self.register_buffer("mean", torch.zeros(fields, size))
        # half precision, for half of the artifact; training scores with the same numbers
        self.register_buffer("whitener", torch.eye(size).repeat(fields, 1, 1).half())

    def forward(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (B,h,w)."""
        return self.white(grid).square().mean(dim=-1).sqrt().T.reshape(len(grid), self.rows, self.columns)

    def white(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (h*w,B,D): vectors of mean 0 and covariance 1 on good parts."""
        pairs = _in_pairs(self._vectors(grid) - self.mean.unsqueeze(1))
        at_once = CACHED if grid.device.type == "cpu" else WIDENED
        if len(self.mean) > 1:
            white = _whiten_in_blocks(pairs, self.whitener, at_once)
        else:
            white = [pair @ self.whitener.float() for pair in pairs]
        return torch.cat(white, dim=1)[:, : len(grid)]

    def inside(self, rows: slice, columns: slice) -> "GaussianField":
        """The same distributions for a window of the grid, in cells."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        field = GaussianField(self.spec, channels=len(self.centre), rows=height, columns=width)
        field.centre, field.directions, field.mean, field.whitener = (
            self.centre, self.directions, self.mean, self.whitener,
        )  # fmt: skip
        if len(self.mean) > 1:
            places = torch.arange(self.rows * self.columns).view(self.rows, self.columns)[rows, columns].flatten()
            field.mean, field.whitener = self.mean[places], self.whitener[places]
        return field

    def fit(self, some: Iterable[Tensor], grids: Iterable[Tensor]) -> None:
        """Set directions from `some` grids (B,C,h,w) and the distributions from all `grids` of good parts.

        Raises `CalibrationError` for fewer than two pictures, and for features that have no distribution.
        """
        self._fit_directions(torch.cat([_drawn(grid).double().cpu() for grid in some]))
        moments = self._moments(grids)
        if moments.count < 2:
            raise CalibrationError(f"feature evidence needs at least 2 good pictures, not {moments.count}")
        mean = moments.first / moments.count
        pooled = moments.second.mean(dim=0) / moments.count - mean.T @ mean / len(mean)
        pooled *= moments.count / (moments.count - 1)
        for part in torch.split(torch.arange(len(mean)), PLACES):
            outer = mean[part].unsqueeze(2) @ mean[part].unsqueeze(1)
            covariance = (moments.second[part] / moments.count - outer) * moments.count / (moments.count - 1)
            covariance = (1 - self.spec.shrinkage) * covariance + self.spec.shrinkage * pooled
            self.whitener[part] = _whitener(covariance, moments.count).to(self.whitener)
        self.mean.copy_(mean)

    def _vectors(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (h*w,B,D): cells along the principal directions, relative to the energy around them."""
        alone = [(picture.flatten(1).T - self.centre) @ self.directions for picture in grid]  # as if it were alone
        cells = torch.stack(alone, dim=1)
        if not self.spec.surround:
            return cells
        energy = cells.square().sum(dim=-1).T.reshape(len(grid), 1, self.rows, self.columns)
        around = _mean_around(energy, self.spec.surround).flatten(1).T.unsqueeze(-1)
        return cells / (around + SURROUND_FLOOR).sqrt()

    def _fit_directions(self, vectors: Tensor) -> None:
        """Principal directions of the standardised channels of (N,C), the strongest first, scaled to those."""
        if not torch.isfinite(vectors).all():
            raise CalibrationError("the features of good pictures are not finite, so they have no distribution")
        centre, deviation = vectors.mean(dim=0), vectors.std(dim=0, correction=0)
        deviation = deviation.clamp(min=max(QUIET * float(deviation.mean()), torch.finfo(torch.float32).tiny))
        standardised = (vectors - centre) / deviation
        strength, directions = torch.linalg.eigh(standardised.T @ standardised / len(standardised))
        size = self.directions.shape[1]
        strongest = directions.flip(1)[:, :size] / deviation.unsqueeze(1)
        if self.spec.surround:  # the mean energy of good parts is 1, which SURROUND_FLOOR is a share of
            strongest = strongest / strength.flip(0)[:size].sum().clamp(min=RIDGE).sqrt()
        self.centre.copy_(centre)
        self.directions.copy_(strongest)

    def _moments(self, grids: Iterable[Tensor]) -> _Moments:
        size = self.directions.shape[1]
        fields = len(self.mean)
        moments = _Moments(0, torch.zeros(fields, size).double(), torch.zeros(fields, size, size).double())
        for grid in grids:
            vectors = self._vectors(grid).cpu().double()
            if fields == 1:
                vectors = vectors.flatten(0, 1).unsqueeze(0)
            moments.count += vectors.shape[1]
            moments.first += vectors.sum(dim=1)
            moments.second.baddbmm_(vectors.transpose(1, 2), vectors)
        return moments


def _in_pairs(vectors: Tensor) -> list[Tensor]:
    """(N,B,D) → pairs (N,2,D) of pictures, a single one twice. How a product is summed, and so its bits, depends on the
    number of its rows: with pairs it is the same for every picture, whatever stands beside it."""
    even = torch.cat((vectors, vectors[:, -1:]), dim=1) if vectors.shape[1] % 2 else vectors
    return [pair.contiguous() for pair in torch.split(even, 2, dim=1)]


def _drawn(grid: Tensor) -> Tensor:
    """(B,C,h,w) → (N,C): its vectors, or as many of a large grid as directions are learnt from, always the same."""
    vectors = grid.permute(0, 2, 3, 1).flatten(1, 2)
    if vectors.shape[1] > DRAWN_CELLS:
        places = torch.randperm(vectors.shape[1], generator=torch.Generator().manual_seed(0))[:DRAWN_CELLS]
        vectors = vectors[:, places.to(grid.device)]
    return vectors.flatten(0, 1)


def _whiten_in_blocks(pairs: Sequence[Tensor], whiteners: Tensor, at_once: int) -> list[Tensor]:
    """(N,2,D) each and (N,D,D) in half precision → (N,2,D) each; all are widened into one buffer, which stays in
    cache."""
    white, wide = [torch.empty_like(pair) for pair in pairs], torch.empty_like(whiteners[:at_once], dtype=torch.float32)
    for start in range(0, len(whiteners), at_once):
        some = slice(start, start + at_once)
        whitener = wide[: len(whiteners[some])].copy_(whiteners[some])
        for pair, out in zip(pairs, white, strict=True):
            torch.bmm(pair[some], whitener, out=out[some])
    return white


def _whitener(covariance: Tensor, count: int) -> Tensor:
    """(N,D,D) covariances of `count` pictures → W of which W·Wᵀ is the inverse, small enough for half precision."""
    variance = covariance.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=RIDGE)
    identity = torch.eye(covariance.shape[1], dtype=torch.float64)
    factor, failed = torch.linalg.cholesky_ex(covariance + RIDGE * variance[:, None, None] * identity)
    if failed.any() or not torch.isfinite(factor).all():
        raise CalibrationError(f"the features of {count} good pictures have no distribution")
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return inverse.transpose(1, 2)


def _mean_around(energy: Tensor, side: int) -> Tensor:
    """Mean over `side` x `side` cells of (B,1,h,w), the border continued."""
    reach = side // 2
    return F.avg_pool2d(F.pad(energy, (reach,) * 4, mode="replicate"), side, stride=1)
