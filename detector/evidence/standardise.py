"""Evidence in standard deviations of good parts, where it stands or pooled over the picture.

Features come as distances that their own place is the measure of: a second one per place would only add its noise.

In: evidence maps (B,M,H,W). Out: the same, z-scored by statistics of good pictures that the networks never saw.
A raw residual is drowned by edges that are always hard; docs/method.md has the figures.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from detector.errors import CalibrationError
from detector.spec import FEATURES, EvidenceMap, Standardise

FLOOR = 0.1  # of the pooled deviation: few pictures give a place too small a deviation by chance (ours)


class Standardiser(nn.Module):
    """(maps - mean) / deviation; until `fit`, mean is 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, kind: Standardise, names: Sequence[EvidenceMap], *, height: int, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.names = tuple(names)
        self.pooled = torch.tensor([name in FEATURES for name in names]).view(-1, 1, 1)
        shape = (len(names), height, width) if kind == "per-location" else (len(names), 1, 1)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def forward(self, maps: Tensor) -> Tensor:
        """(B,M,H,W) → (B,M,H,W)."""
        return (maps - self.mean) / self.deviation

    def of(self, places: Sequence[int]) -> "Standardiser":
        """The same statistics of some of the maps."""
        height, width = self.mean.shape[-2:]
        part = Standardiser(self.kind, [self.names[place] for place in places], height=height, width=width)
        part.mean, part.deviation = self.mean[list(places)], self.deviation[list(places)]
        return part

    def inside(self, rows: slice, columns: slice) -> "Standardiser":
        """The same statistics for a window of the picture, in px."""
        if self.kind != "per-location":
            return self
        height, width = rows.stop - rows.start, columns.stop - columns.start
        part = Standardiser(self.kind, self.names, height=height, width=width)
        part.mean, part.deviation = self.mean[:, rows, columns], self.deviation[:, rows, columns]
        return part

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Set the statistics from evidence maps (B,M,H,W) of good pictures; `CalibrationError` when there are none."""
        if self.kind == "none":
            return
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for maps in batches:
            exact = maps.double().cpu()
            own, squared = exact, exact.square()
            if self.kind == "pooled":  # pictures may be large: a number for each map, and not one for each pixel
                own, squared = (power.mean(dim=(2, 3), keepdim=True) for power in (own, squared))
            count, total, squares = count + len(maps), total + own.sum(0), squares + squared.sum(0)
        if count < 2:
            raise CalibrationError(f"standardising evidence needs at least 2 good pictures, not {count}")
        mean, second = total / count, squares / count
        pooled_mean = mean.mean(dim=(1, 2), keepdim=True)
        pooled = (second.mean(dim=(1, 2), keepdim=True) - pooled_mean.square()).clamp(min=0)
        if self.kind == "pooled":
            self._set(pooled_mean, pooled)
        else:
            variance = (second - mean.square()).clamp(min=0) * count / (count - 1)
            variance = variance + FLOOR**2 * pooled
            self._set(torch.where(self.pooled, pooled_mean, mean), torch.where(self.pooled, pooled, variance))

    def _set(self, mean: Tensor, variance: Tensor) -> None:
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp(min=1e-6))
