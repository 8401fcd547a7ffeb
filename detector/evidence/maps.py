"""What speaks against a part, pixel by pixel: the residual between a picture and its reconstruction.

In: pictures and reconstructions (B,3,H,W) in [0, 1]. Out: one map per named evidence, (B,M,H,W), 0 = none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from detector.msgms import msgms_distance
from detector.spec import EvidenceMap
from detector.ssim import ssim_distance


def residual_maps(pictures: Tensor, reconstructions: Tensor, names: Sequence[EvidenceMap], *, scales: int) -> Tensor:
    """Evidence in the order of `names`; "msgms" sees edges, "l1" brightness and colour, "ssim" texture."""
    maps = {
        "msgms": lambda: msgms_distance(pictures, reconstructions, scales),
        "ssim": lambda: ssim_distance(pictures, reconstructions),
        "l1": lambda: (pictures - reconstructions).abs().mean(dim=1),
    }
    return torch.stack([maps[name]() for name in names], dim=1)
