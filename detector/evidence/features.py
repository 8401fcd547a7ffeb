"""Feature maps of several depths → one grid of vectors.

In: maps (B,C,h,w) of any sizes, fine or coarse. Out: (B,sum of C,rows,columns); a finer map is averaged over each cell,
a coarser one is enlarged bilinearly.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def to_grid(maps: Sequence[Tensor], rows: int, columns: int) -> Tensor:
    """One vector per cell, the channels of all maps one after the other."""
    return torch.cat([_resize(features, rows, columns) for features in maps], dim=1)


def _resize(features: Tensor, rows: int, columns: int) -> Tensor:
    height, width = features.shape[-2:]
    if height >= rows and width >= columns:
        return F.adaptive_avg_pool2d(features, (rows, columns))
    return F.interpolate(features, (rows, columns), mode="bilinear", align_corners=False)
