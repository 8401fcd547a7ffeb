"""A mask from a CNN backbone: where its deep features carry energy (ours; EAR has a ViT only).

In: pictures (B,3,H,W) in [0, 1]. Out: mask (B,1,H,W).
"""

from torch import Tensor, nn

from detector.backbone import Backbone
from detector.saliency.mask import threshold_mask


class ActivationSaliency(nn.Module):
    """Mean square over the channels of the deep map, enlarged bilinearly."""

    def __init__(self, backbone: Backbone, sigmas: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.sigmas = sigmas

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H,W)."""
        height, width = pictures.shape[-2:]
        energy = self.backbone.deep_map(pictures).square().mean(dim=1, keepdim=True)
        return threshold_mask(energy, sigmas=self.sigmas, height=height, width=width, mode="bilinear")
