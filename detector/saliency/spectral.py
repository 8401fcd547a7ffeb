"""Spectral-residual saliency (Hou & Zhang, CVPR 2007): deterministic, needs no weights.

In: pictures (B,3,H,W) in [0, 1]. Out: mask (B,1,H,W). What differs from the smooth log spectrum of its surroundings
is what stands out. A Fourier transform takes a picture for a tile of an endless wall, where opposite borders that
differ stand out themselves: the picture is levelled and seen through a window (ours; docs/method.md).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.saliency.mask import threshold_mask

ANALYSIS_SIDE = 64  # pixels; the paper's scale of observation
LOG_FLOOR = 1e-8  # amplitude: a flat picture has no spectrum to take the logarithm of
BLUR_WINDOW = 9  # pixels of the analysis picture
BLUR_SIGMA = 2.5
WINDOW_FLOOR = 0.01  # of the window's power: the outermost 4 of 64 pixels are too dim behind it to be judged


class SpectralSaliency(nn.Module):
    """Log amplitude minus its 3x3 mean, transformed back with the original phase; the power of that, blurred."""

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
    window = _hann_window(small)
    spectrum = torch.fft.fft2(_levelled(small, window) * window)
    log_amplitude = torch.log(spectrum.abs() + LOG_FLOOR)
    surroundings = F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode="circular"), 3, stride=1)
    residual = torch.polar(torch.exp(log_amplitude - surroundings), spectrum.angle())
    power = torch.fft.ifft2(residual).abs().square()
    return _blur(power / (window.square() + WINDOW_FLOOR))


def _hann_window(like: Tensor) -> Tensor:
    """(64,64): 1 in the middle, almost 0 at the borders."""
    places = (torch.arange(ANALYSIS_SIDE, dtype=like.dtype, device=like.device) + 0.5) / ANALYSIS_SIDE
    line = torch.sin(math.pi * places).square()
    return line.view(-1, 1) * line


def _levelled(maps: Tensor, weights: Tensor) -> Tensor:
    """(B,1,64,64) minus its plane of least squares: a lamp at one side makes a ramp, and no part of the product."""
    ramp = torch.linspace(-1, 1, ANALYSIS_SIDE, dtype=maps.dtype, device=maps.device)
    flat = torch.ones_like(maps[0, 0])
    for shape in (flat, flat * ramp, flat * ramp.view(-1, 1)):  # orthogonal, since the weights are symmetric
        share = (maps * weights * shape).sum(dim=(-2, -1), keepdim=True) / (weights * shape.square()).sum()
        maps = maps - share * shape
    return maps


def _blur(maps: Tensor) -> Tensor:
    offsets = torch.arange(BLUR_WINDOW, dtype=maps.dtype, device=maps.device) - BLUR_WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    half = BLUR_WINDOW // 2
    padded = F.pad(maps, (half, half, half, half), mode="replicate")
    return F.conv2d(F.conv2d(padded, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
