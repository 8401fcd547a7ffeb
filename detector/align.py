"""Where a part lies: its shift against good parts in whole pixels.

In: pictures (B,3,H,W) float32 in [0, 1]. Out: a `Shift`, no larger than the spec's reach. Refuses nothing.
Orientation correlation (Fitch et al. 2002): a picture becomes a field of vectors along its grey gradients, none longer
than 1, so that neither a lamp nor one strong edge decides, and is compared with the mean field of good parts, in which
only those edges are left that stand in one place on every part. Whole pixels, because half of one blurs a picture, and
a good part out of focus has other features. Parts that turn as well are for detector/turn.py.
"""

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor, nn

from detector.motion import Shift
from detector.spec import AlignSpec

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # against noise, rows and columns, before the gradient
SOFTENED = 0.3  # of a picture's mean gradient: what is weaker is mostly noise and counts less (ours)
DARK = 1e-4  # grey: the gradient of a flat picture has no direction
WORTH = 0.02  # of a perfect fit: a shift that wins less than that is none, so a flat picture stays where it is (ours)


class Aligner(nn.Module):
    """Holds where the edges of good parts stand; until it is fitted, every part stays where it is."""

    edges: Tensor

    def __init__(self, spec: AlignSpec, *, height: int, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("edges", torch.zeros(2, height, width).half())

    def forward(self, pictures: Tensor) -> Shift:
        """How each of (B,3,H,W) lies against where good parts do."""
        return Shift(self.offsets(pictures))

    def offsets(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,2) int64: by how many rows down and columns right each part lies from where it should."""
        reach, reference = self.spec.reach, torch.complex(*self.edges.float().unbind())
        fits = _fits(orientations(pictures), reference, reach)
        best, place = fits.flatten(1).max(dim=1)
        found = torch.stack((place // (2 * reach + 1), place % (2 * reach + 1)), dim=1) - reach
        is_worth_it = best - fits[:, reach, reach] > WORTH * reference.abs().square().sum()
        return found * is_worth_it.unsqueeze(1)


def orientations(pictures: Tensor) -> Tensor:
    """(B,3,H,W) → (B,H,W) complex64: the direction of the grey gradient, as long as it is certain, at most 1."""
    taps = torch.tensor(BINOMIAL, device=pictures.device)
    padded = F.pad(pictures.mean(dim=1, keepdim=True), (len(taps) // 2,) * 4, mode="replicate")
    grey = F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    grey = F.pad(grey, (1, 1, 1, 1), mode="replicate")[:, 0]
    gradient = torch.complex(grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]) / 2
    strength = gradient.abs()
    return gradient / (strength + SOFTENED * strength.mean(dim=(1, 2), keepdim=True) + DARK)


def _fits(fields: Tensor, reference: Tensor, reach: int) -> Tensor:
    """(B,2·reach+1,2·reach+1): how well each shift fits, `reach` in the middle; a smaller overlap counts no less."""
    height, width = reference.shape
    # room for the shift, so that no border meets the opposite one; and a length that transforms fast
    size = (next_fast_len(height + reach), next_fast_len(width + reach))
    spectrum = torch.fft.fft2(fields, s=size) * torch.fft.fft2(reference, s=size).conj()
    correlation = torch.fft.ifft2(spectrum).real.roll((reach, reach), dims=(-2, -1))
    shifts = torch.arange(-reach, reach + 1, device=fields.device).abs()
    overlap = torch.outer(1 - shifts / height, 1 - shifts / width)
    fits: Tensor = correlation[:, : 2 * reach + 1, : 2 * reach + 1] / overlap
    return fits
