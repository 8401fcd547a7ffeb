"""FADeR: two layers that predict, from the hint, where reconstruction will go wrong, and attenuate the skips there.

In: hints I' (B,3,H,W). Out: predicted error per patch (B,1,h,w), and gates in [0, 1], 0 = cut.
The paper's tables and equations are not public; docs/method.md says which choices are ours.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fader(nn.Module):
    """Linear → GELU → Linear on every patch, written as convolutions.

    `mean` and `deviation` are those of the predicted error over good patches that the U-Net was not fitted on: a
    ranking loss fixes an order, not a scale.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, patch: int, hidden: int, slope: float, shift: float) -> None:
        super().__init__()
        self.patch = patch
        self.slope = slope
        self.shift = shift
        self.first = nn.Conv2d(3, hidden, patch, stride=patch)
        self.second = nn.Conv2d(hidden, 1, 1)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, hints: Tensor) -> Tensor:
        """(B,3,H,W) → predicted error (B,1,H/patch,W/patch); only its order means something."""
        predicted: Tensor = self.second(F.gelu(self.first(hints)))
        return predicted

    def gate(self, hints: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H/patch,W/patch) in [0, 1]: 1 - sigmoid(slope * (z - shift))."""
        z = (self(hints) - self.mean) / self.deviation
        return 1 - torch.sigmoid(self.slope * (z - self.shift))

    def standardise(self, predicted: Tensor) -> None:
        """Set `mean` and `deviation` from predictions on good patches."""
        self.mean.copy_(predicted.mean())
        self.deviation.copy_(predicted.std(correction=0).clamp(min=torch.finfo(predicted.dtype).eps))


def gates_for_levels(
    gate: Tensor, levels: tuple[int, ...], *, skips: int, height: int, width: int
) -> list[Tensor | None]:
    """One gate per skip connection, bilinear to that skip's size; None for the levels that pass untouched."""
    return [
        F.interpolate(gate, (height >> level, width >> level), mode="bilinear", align_corners=False)
        if level in levels
        else None
        for level in range(skips)
    ]
