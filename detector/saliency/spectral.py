"""Spectral-residual saliency (Hou & Zhang, CVPR 2007): deterministic, needs no weights.

In: pictures (B,3,H,W) in [0, 1]. Out: mask (B,1,H,W). What differs from the smooth log spectrum of its surroundings
is what stands out.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.saliency.mask import threshold_mask

ANALYSIS_SIDE = 64  # pixels; the paper's scale of observation
LOG_FLOOR = 1e-8  # amplitude: a flat picture has no spectrum to take the logarithm of
BLUR_WINDOW = 9  # pixels of the analysis picture
BLUR_SIGMA = 2.5


class SpectralSaliency(nn.Module):
    """Log amplitude minus its 3x3 mean, transformed back with the original phase, squared and blurred."""

    def __init__(self, sigmas: float) -> None:
        super().__init__()
        self.sigmas = sigmas

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,1,H,W)."""
        height, width = pictures.shape[-2:]
        saliency = spectral_residual(pictures)
        return threshold_mask(saliency, sigmas=self.sigmas, height=height, width=width, mode="bilinear")


def spectral_residual(pictures: Tensor) -> Tensor:
    """(B,3,H,W) → (B,1,64,64), non-negative."""
    gray = pictures.mean(dim=1, keepdim=True)
    small = F.interpolate(gray, (ANALYSIS_SIDE, ANALYSIS_SIDE), mode="bilinear", antialias=True, align_corners=False)
    spectrum = torch.fft.fft2(small)
    log_amplitude = torch.log(spectrum.abs() + LOG_FLOOR)
    surroundings = F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode="circular"), 3, stride=1)
    residual = torch.polar(torch.exp(log_amplitude - surroundings), spectrum.angle())
    return _blur(torch.fft.ifft2(residual).abs().square())


def _blur(maps: Tensor) -> Tensor:
    offsets = torch.arange(BLUR_WINDOW, dtype=maps.dtype, device=maps.device) - BLUR_WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    half = BLUR_WINDOW // 2
    padded = F.pad(maps, (half, half, half, half), mode="replicate")
    return F.conv2d(F.conv2d(padded, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
