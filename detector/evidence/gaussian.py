"""How far a part's features are from those of good parts, place by place (PaDiM, Defard et al. 2021).

In: a grid of feature vectors (B,C,h,w). Out: distances (B,h,w), 0 or more, about 1 on good parts.
The features are first reduced to the principal directions of good parts. Each place has a normal distribution of its
own, or all share one (`pooled`, for parts that do not lie alike); covariances are shrunk to the pooled one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detector.errors import CalibrationError
from detector.spec import FeatureSpec

RIDGE = 1e-3  # of the mean variance, on every diagonal: a direction that never varied must not divide by 0 (ours)
QUIET = 1e-3  # of the mean deviation: a channel that is dead in some pictures must not outweigh all others in the next


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
        fields = 1 if spec.statistics == "pooled" else rows * columns
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("directions", torch.eye(channels)[:, :size].clone())
        self.register_buffer("mean", torch.zeros(fields, size))
        # half precision, for half of the artifact; training scores with the same numbers
        self.register_buffer("whitener", torch.eye(size).repeat(fields, 1, 1).half())

    def forward(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (B,h,w)."""
        centred = self._vectors(grid) - self.mean.unsqueeze(1)
        white = centred @ self.whitener.float()
        return white.square().mean(dim=-1).sqrt().T.reshape(len(grid), self.rows, self.columns)

    def fit(self, some: Iterable[Tensor], grids: Iterable[Tensor]) -> None:
        """Set directions from `some` grids (B,C,h,w) and the distributions from all `grids` of good parts.

        Raises `CalibrationError` for fewer than two pictures, and for features that have no distribution.
        """
        self._fit_directions(torch.cat([grid.double().cpu() for grid in some]))
        moments = self._moments(grids)
        if moments.count < 2:
            raise CalibrationError(f"feature evidence needs at least 2 good pictures, not {moments.count}")
        mean = moments.first / moments.count
        outer = mean.unsqueeze(2) @ mean.unsqueeze(1)
        covariance = (moments.second / moments.count - outer) * moments.count / (moments.count - 1)
        pooled = covariance.mean(dim=0, keepdim=True)
        covariance = (1 - self.spec.shrinkage) * covariance + self.spec.shrinkage * pooled
        variance = (
            covariance.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=RIDGE)
        )  # so that no whitener leaves half precision
        ridge = RIDGE * variance[:, None, None] * torch.eye(covariance.shape[1], dtype=torch.float64)
        factor, failed = torch.linalg.cholesky_ex(covariance + ridge)
        if failed.any() or not torch.isfinite(factor).all():
            raise CalibrationError(f"the features of {moments.count} good pictures have no distribution")
        identity = torch.eye(factor.shape[1], dtype=torch.float64).expand_as(factor)
        whitener = torch.linalg.solve_triangular(factor, identity, upper=False).transpose(1, 2)
        self.mean.copy_(mean)
        self.whitener.copy_(whitener)

    def _vectors(self, grid: Tensor) -> Tensor:
        """(B,C,h,w) → (h*w,B,D): cells along the principal directions, in standard deviations of a channel."""
        cells = grid.flatten(2).permute(2, 0, 1) - self.centre
        return cells @ self.directions

    def _fit_directions(self, grids: Tensor) -> None:
        """Principal directions of the standardised channels, the strongest first, scaled to the standardised ones."""
        vectors = grids.permute(0, 2, 3, 1).flatten(0, 2)
        if not torch.isfinite(vectors).all():
            raise CalibrationError("the features of good pictures are not finite, so they have no distribution")
        centre, deviation = vectors.mean(dim=0), vectors.std(dim=0, correction=0)
        deviation = deviation.clamp(min=max(QUIET * float(deviation.mean()), torch.finfo(torch.float32).tiny))
        standardised = (vectors - centre) / deviation
        _, directions = torch.linalg.eigh(standardised.T @ standardised / len(standardised))
        strongest = directions.flip(1)[:, : self.directions.shape[1]]
        self.centre.copy_(centre)
        self.directions.copy_(strongest / deviation.unsqueeze(1))

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
            moments.second += vectors.transpose(1, 2) @ vectors
        return moments
