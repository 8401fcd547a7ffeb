"""EAR's mask: where the CLS token of a self-supervised ViT looks (EAR 3.2).

In: pictures (B,3,H,W) in [0, 1]. Out: mask (B,1,H,W).
"""

from torch import Tensor, nn

from detector.backbone import Backbone
from detector.saliency.mask import threshold_mask


class AttentionSaliency(nn.Module):
    """CLS attention of the last block averaged over heads, enlarged by repeating patches as DINO's own script does."""

    def __init__(self, backbone: Backbone, sigmas: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.sigmas = sigmas

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H,W)."""
        return self.mask(self.backbone.cls_attention(pictures), pictures)

    def mask(self, attention: Tensor, pictures: Tensor) -> Tensor:
        """The same of an attention (B,1,h,w) that is there already."""
        height, width = pictures.shape[-2:]
        return threshold_mask(attention, sigmas=self.sigmas, height=height, width=width, mode="nearest")
