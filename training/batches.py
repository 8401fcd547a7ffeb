"""Pictures → tensors of as many as memory holds: small ones together, large ones one by one.

In: pictures (H,W,3) uint8 of one size. Out: (B,3,H,W) float32 in [0, 1] on a device, in order. Refuses nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detector.pipeline import stack

MOST = 16  # pictures
MOST_PIXELS = 4 << 20  # 16 pictures of 512 px a side; one of 5 megapixels

Picture = npt.NDArray[np.uint8]


def batches(pictures: Sequence[Picture] | Picture, device: torch.device) -> Iterator[Tensor]:
    """All of them, `MOST` or `MOST_PIXELS` at a time."""
    step = batch_size(pictures)
    for start in range(0, len(pictures), step):
        yield stack(list(pictures[start : start + step]), device)


def batch_size(pictures: Sequence[Picture] | Picture) -> int:
    """Pictures that go together, at least one."""
    if len(pictures) == 0:
        return 1
    height, width = pictures[0].shape[:2]
    return max(1, min(MOST, MOST_PIXELS // int(height * width)))
