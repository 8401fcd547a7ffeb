"""What speaks against a part, pixel by pixel: the residual between a picture and its reconstruction.

In: pictures and reconstructions (B,3,H,W) in [0, 1]. Out: one map per named evidence, (B,M,H,W), 0 = none.
"""

import torch
from torch import Tensor

from detector.msgms import msgms_distance
from detector.spec import EvidenceMap


def residual_maps(pictures: Tensor, reconstructions: Tensor, names: tuple[EvidenceMap, ...], *, scales: int) -> Tensor:
    """Evidence in the order of `names`; "msgms" sees edges, "l1" sees brightness and colour."""
    maps = {
        "msgms": lambda: msgms_distance(pictures, reconstructions, scales),
        "l1": lambda: (pictures - reconstructions).abs().mean(dim=1),
    }
    return torch.stack([maps[name]() for name in names], dim=1)
