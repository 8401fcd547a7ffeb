"""Masks that do not look at the picture: the whole of it (EAR without attention), or nothing (a plain U-Net).

In: pictures (B,3,H,W). Out: mask (B,1,H,W) of one value.
"""

from torch import Tensor, nn


class ConstantSaliency(nn.Module):
    """The same mask for every picture: 1.0 hides the whole of it, 0.0 none."""

    def __init__(self, hidden: float) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H,W)."""
        return pictures.new_full((len(pictures), 1, *pictures.shape[-2:]), self.hidden)
