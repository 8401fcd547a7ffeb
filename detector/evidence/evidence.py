"""The evidence stage: maps → standardise → fuse → smooth → reduce.

In: pictures (B,3,H,W), their reconstructions (V,B,3,H,W) in [0, 1], feature maps by source. Out: anomaly map (B,H,W),
and of one its score (B,).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.evidence.features import to_grid
from detector.evidence.gaussian import GaussianField
from detector.evidence.maps import residual_maps
from detector.evidence.nearest import NearestField
from detector.evidence.reduce import fuse, reduce_to_score, smooth
from detector.evidence.standardise import Standardiser
from detector.spec import EvidenceSpec, FeatureSource, TileSpec
from detector.tiles import in_tiles

Field = GaussianField | NearestField


@dataclass(frozen=True)
class Clues:
    """What the networks made of a batch of pictures."""

    pictures: Tensor
    """(B,3,H,W) in [0, 1]."""
    reconstructions: Tensor | None
    """(V,B,3,H,W) in [0, 1]; None where the spec names no residual."""
    grids: Mapping[FeatureSource, Tensor]
    """Source → feature vectors (B,C,h,w) on its grid, for the sources that the spec names."""


class Evidence(nn.Module):
    """Holds the statistics of good parts; everything else is arithmetic."""

    weights: Tensor

    def __init__(
        self,
        spec: EvidenceSpec,
        fields: Mapping[str, Field],
        standardiser: Standardiser,
        *,
        tiles: TileSpec | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.tiles = tiles
        self.fields = nn.ModuleDict(fields)
        self.standardiser = standardiser
        self.register_buffer("weights", torch.full((len(spec.maps),), 1 / len(spec.maps)))

    def of(self, places: Sequence[int]) -> "Evidence":
        """The same statistics and weights of some of the maps."""
        names = tuple(self.spec.maps[place] for place in places)
        fields: dict[str, Field] = {name: self.fields[name] for name in names if name in self.fields}  # type: ignore[misc]
        part = Evidence(replace(self.spec, maps=names), fields, self.standardiser.of(places), tiles=self.tiles)
        part.weights = self.weights[list(places)]
        return part

    def inside(self, rows: slice, columns: slice) -> "Evidence":
        """The same statistics and weights for a window of the picture, in px: edges of the cells of every grid."""
        fields: dict[str, Field] = {}
        for name, field in self.fields.items():
            stride: int = field.spec.stride  # type: ignore[assignment]
            cells = [slice(span.start // stride, span.stop // stride) for span in (rows, columns)]
            fields[name] = field.inside(*cells)  # type: ignore[operator]
        part = Evidence(self.spec, fields, self.standardiser.inside(rows, columns))
        part.weights = self.weights
        return part

    def raw(self, clues: Clues) -> Tensor:
        """Evidence maps (B,M,H,W) in the order of the spec, before they are standardised."""
        maps = self._residuals(clues)
        size = clues.pictures.shape[-2:]
        for source, grid in clues.grids.items():
            distances = self.fields[source](grid).unsqueeze(1)
            maps[source] = F.interpolate(distances, size, mode="bilinear", align_corners=False).squeeze(1)
        return torch.stack([maps[name] for name in self.spec.maps], dim=1)

    def grid(self, source: str, maps: Sequence[Tensor]) -> Tensor:
        """Feature vectors (B,C,h,w) of one source, on its grid."""
        field: Field = self.fields[source]  # type: ignore[assignment]
        return to_grid(maps, field.rows, field.columns)

    def forward(self, clues: Clues) -> Tensor:
        """Anomaly map (B,H,W)."""
        standardised = self.standardiser(self.raw(clues))
        return smooth(fuse(standardised, self.spec.fuse, self.weights), self.spec.smooth)

    def score(self, anomaly_map: Tensor) -> Tensor:
        """(B,H,W) → (B,)."""
        spec = self.spec
        return reduce_to_score(anomaly_map, spec.reduce, top_fraction=spec.top_fraction, window=spec.window)

    def _residuals(self, clues: Clues) -> dict[str, Tensor]:
        """Name → (B,H,W); the mean over several reconstructions (RIAD)."""
        names, scales = self.spec.residuals, self.spec.msgms_scales
        if clues.reconstructions is None:
            return {}

        def compare(pictures: Tensor, drawn: Tensor) -> list[Tensor]:
            return [residual_maps(pictures, drawn, names, scales=scales)]

        maps = [in_tiles(self.tiles, compare, clues.pictures, single)[0] for single in clues.reconstructions]
        return dict(zip(names, torch.stack(maps).mean(dim=0).unbind(dim=1), strict=True))
