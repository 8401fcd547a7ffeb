"""Gradient magnitude similarity at several scales, as a distance map (EAR eq. 3; RIAD; GMSD, Xue et al. 2014).

In: two batches (B,C,H,W) in [0, 1]. Out: 1 - similarity, in [0, 1], 0 where both have the same edges.
Shared by the training loss and the anomaly map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

STABILITY = 0.0026  # GMSD's c = 170 for gray levels 0..255, which is 170 / 255^2 for [0, 1]
EPSILON = 1e-12  # inside the root: the gradient of sqrt is infinite at 0


def msgms_distance(pictures: Tensor, reconstructions: Tensor, scales: int = 3) -> Tensor:
    """Mean over `scales` resolutions, each half the one before: (B,C,H,W) twice → (B,H,W) in [0, 1].

    Gradients are taken per channel and their distances averaged, so that an edge of hue alone is seen (ours;
    the public RIAD codes differ, METHOD.md 3.3).
    """
    size = pictures.shape[-2:]
    total = _gms_distance(pictures, reconstructions)
    for _ in range(scales - 1):
        pictures, reconstructions = F.avg_pool2d(pictures, 2), F.avg_pool2d(reconstructions, 2)
        coarse = _gms_distance(pictures, reconstructions)
        total = total + F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return (total / scales).squeeze(1)


def gradient_magnitude(pictures: Tensor) -> Tensor:
    """Prewitt / 3 per channel, borders replicated: (B,C,H,W) → (B,C,H,W), at least 1e-6."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    columns = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    rows = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    across = (columns[..., 2:] - columns[..., :-2]) / 3
    down = (rows[..., 2:, :] - rows[..., :-2, :]) / 3
    return torch.sqrt(across * across + down * down + EPSILON)


def _gms_distance(pictures: Tensor, reconstructions: Tensor) -> Tensor:
    """1 - GMS averaged over channels: (B,1,H,W)."""
    a, b = gradient_magnitude(pictures), gradient_magnitude(reconstructions)
    similarity = (2 * a * b + STABILITY) / (a * a + b * b + STABILITY)
    return (1 - similarity).mean(dim=1, keepdim=True)
