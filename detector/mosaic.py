"""The hint: what the reconstruction network may see of the part (EAR eq. 1).

In: pictures (B,C,H,W) and masks (B,1,H,W). Out: pictures whose masked pixels are m x m tile averages, or 0.
Any size is taken: where m does not divide a side, the last tile is narrower and averages the pixels it has.
"""

import torch.nn.functional as F
from torch import Tensor


def mosaic(pictures: Tensor, scale: int) -> Tensor:
    """M(I): (B,C,H,W) → (B,C,H,W); each `scale` x `scale` tile, counted from the top left, becomes its mean."""
    if scale == 1:
        return pictures
    height, width = pictures.shape[-2:]
    tiles = F.avg_pool2d(pictures, scale, ceil_mode=True)
    enlarged = tiles.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
    return enlarged[..., :height, :width]


def hide(pictures: Tensor, masks: Tensor, scale: int) -> Tensor:
    """I' = M(I) * S + I * (1 - S), EAR eq. 1; masks (B,1,H,W) hold 1 where the mosaic covers the picture."""
    return mosaic(pictures, scale) * masks + pictures * (1 - masks)


def remove(pictures: Tensor, masks: Tensor) -> Tensor:
    """I * (1 - S): what the masks cover becomes 0 (RIAD; EAR without obfuscation)."""
    return pictures * (1 - masks)
