"""Evidence in standard deviations of good parts, where it stands or pooled over the picture.

In: evidence maps (B,M,H,W). Out: the same, z-scored by statistics of good pictures that the networks never saw.
A raw residual is drowned by edges that are always hard; docs/method.md has the figures.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from detector.errors import CalibrationError
from detector.spec import Standardise

FLOOR = 0.1  # of the pooled deviation: few pictures give a place too small a deviation by chance (ours)


class Standardiser(nn.Module):
    """(maps - mean) / deviation; until `fit`, mean is 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, kind: Standardise, maps: int, *, height: int, width: int) -> None:
        super().__init__()
        self.kind = kind
        shape = (maps, height, width) if kind == "per-location" else (maps, 1, 1)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def forward(self, maps: Tensor) -> Tensor:
        """(B,M,H,W) → (B,M,H,W)."""
        return (maps - self.mean) / self.deviation

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Set the statistics from evidence maps (B,M,H,W) of good pictures; `CalibrationError` when there are none."""
        if self.kind == "none":
            return
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for maps in batches:
            exact = maps.double().cpu()
            count, total, squares = count + len(maps), total + exact.sum(0), squares + exact.square().sum(0)
        if count < 2:
            raise CalibrationError(f"standardising evidence needs at least 2 good pictures, not {count}")
        mean, second = total / count, squares / count
        pooled_mean = mean.mean(dim=(1, 2), keepdim=True)
        pooled = (second.mean(dim=(1, 2), keepdim=True) - pooled_mean.square()).clamp(min=0)
        if self.kind == "pooled":
            self._set(pooled_mean, pooled)
        else:
            variance = (second - mean.square()).clamp(min=0) * count / (count - 1)
            self._set(mean, variance + FLOOR**2 * pooled)

    def _set(self, mean: Tensor, variance: Tensor) -> None:
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp(min=1e-6))
