"""RIAD's masks: every pixel is hidden exactly once, whatever the picture shows (Zavrtanik et al. 2021).

In: a size, the side of a cell, a seed. Out: disjoint masks (n,1,H,W) whose sum is 1 everywhere; and, given a network,
the picture put together from what it rebuilt of each set. Equal seeds deal equal cells on every machine.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from detector.spec import DisjointSpec


class DisjointSaliency(nn.Module):
    """The masks of every cell side, dealt once."""

    masks: Tensor

    def __init__(self, spec: DisjointSpec, *, height: int, width: int) -> None:
        super().__init__()
        dealt = [disjoint_masks(height, width, cell=cell, sets=spec.sets, seed=spec.seed) for cell in spec.cells]
        # (K,n,1,H,W); not persistent, since the spec says it all
        self.register_buffer("masks", torch.stack(dealt), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H,W): the first set of the last cell side, to show how the picture is hidden."""
        return self.masks[-1, 0].expand(len(pictures), -1, -1, -1)

    def cycle(self, count: int) -> Tensor:
        """(count,1,H,W): all masks in turn."""
        masks = self.masks.flatten(0, 1)
        return masks[torch.arange(count, device=masks.device) % len(masks)]


def disjoint_masks(height: int, width: int, *, cell: int, sets: int, seed: int) -> Tensor:
    """(sets,1,H,W) of 0.0 and 1.0; the sets have equally many cells, give or take one.

    Cells are ranked by the raw words of PCG64: their stream, unlike a library's `permutation`, never changes.
    """
    rows, columns = -(-height // cell), -(-width // cell)
    words = np.random.PCG64([seed, cell]).random_raw(rows * columns)
    owner = np.argsort(np.argsort(words, kind="stable"), kind="stable") % sets
    pixels = np.kron(owner.reshape(rows, columns), np.ones((cell, cell), np.int64))[:height, :width]
    return torch.from_numpy(np.stack([pixels == number for number in range(sets)])).float().unsqueeze(1)


def assemble(pictures: Tensor, masks: Tensor, rebuild: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Sum over the sets of rebuild(I, M) * M: (B,3,H,W), masks (n,1,H,W) → (B,3,H,W).

    `rebuild` takes pictures and the mask (1,1,H,W) that hides a part of them, and gives the network's answer.
    """
    parts = [rebuild(pictures, mask.unsqueeze(0)) * mask for mask in masks]
    return torch.stack(parts).sum(dim=0)
