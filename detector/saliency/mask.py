"""Saliency maps → binary masks, one rule for every source (EAR 3.2).

In: a saliency map (B,1,h,w), any positive scale. Out: a mask (B,1,H,W) of 0.0 and 1.0; 1 = hide behind the mosaic.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor


def threshold_mask(
    saliency: Tensor, *, sigmas: float, height: int, width: int, mode: Literal["nearest", "bilinear"]
) -> Tensor:
    """Enlarge to height x width px, then 1 where a pixel exceeds mean + sigmas * std of its own image."""
    align = None if mode == "nearest" else False
    pixels = F.interpolate(saliency, (height, width), mode=mode, align_corners=align)
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    deviation = pixels.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (pixels > mean + sigmas * deviation).to(pixels.dtype)
