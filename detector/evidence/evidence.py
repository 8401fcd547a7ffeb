"""The evidence stage: maps → standardise → fuse → smooth → reduce.

In: pictures (B,3,H,W) and their reconstructions (V,B,3,H,W) in [0, 1]. Out: anomaly map (B,H,W) and score (B,).
"""

import torch
from torch import Tensor, nn

from detector.evidence.maps import residual_maps
from detector.evidence.reduce import fuse, reduce_to_score, smooth
from detector.evidence.standardise import Standardiser
from detector.spec import EvidenceSpec


class Evidence(nn.Module):
    """Holds the statistics of good parts; everything else is arithmetic."""

    def __init__(self, spec: EvidenceSpec, standardiser: Standardiser) -> None:
        super().__init__()
        self.spec = spec
        self.standardiser = standardiser

    def residuals(self, pictures: Tensor, reconstructions: Tensor) -> Tensor:
        """Raw evidence maps (B,M,H,W), before any statistics; their mean over several reconstructions (RIAD)."""
        maps = [
            residual_maps(pictures, single, self.spec.maps, scales=self.spec.msgms_scales) for single in reconstructions
        ]
        return torch.stack(maps).mean(dim=0)

    def forward(self, pictures: Tensor, reconstructions: Tensor) -> tuple[Tensor, Tensor]:
        """(score (B,), anomaly map (B,H,W))."""
        standardised = self.standardiser(self.residuals(pictures, reconstructions))
        anomaly_map = smooth(fuse(standardised, self.spec.fuse), self.spec.smooth)
        score = reduce_to_score(anomaly_map, self.spec.reduce, top_fraction=self.spec.top_fraction)
        return score, anomaly_map
