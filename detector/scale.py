"""How large a mosaic tile must be to hide a defect and still hint at the part (EAR 3.4).

In: good pictures (B,3,H,W) in [0, 1] and their masks (B,1,H,W). Out: a power of two, in pixels.
EAR fits a line from the edge response to the best tile on MVTec AD and publishes no coefficients. The line below is
ours and provisional: it joins two anchors and was fitted to nothing (docs/method.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from detector.errors import CalibrationError

TOP_SHARE = 0.10  # EAR: mean of the strongest tenth
SMALLEST, LARGEST = 2, 64  # pixels, the range of EAR's Table 1
# (log2 response, tile in pixels): 2 is the least possible, a picture of round blobs; 6.8 is a picture of bare edges
BLOBS, EDGES = (2.0, 32.0), (6.8, 2.0)
FLAT = 1e-12  # determinants up to this are flat places and saddles, which EAR does not define: they are left out


def estimate_mosaic_scale(pictures: Tensor, masks: Tensor) -> int:
    """The power of two, 2 to 64 px, nearest to the line at the pictures' mean edge response.

    Raises `CalibrationError` when no picture has a curved place inside its mask.
    """
    return nearest_power_of_two(_line(mean_log_response(edge_response(pictures), masks)))


def mean_log_response(responses: Tensor, masks: Tensor) -> float:
    """Mean over pictures of log2 r10 inside the mask: (B,1,H,W) twice → a number; raises `CalibrationError`."""
    strongest = [_top_mean(response[mask > 0]) for response, mask in zip(responses, masks, strict=True)]
    known = [value for value in strongest if value is not None]
    if not known:
        raise CalibrationError("the mosaic scale cannot be estimated: the salient regions of these pictures are flat")
    return sum(known) / len(known)


def edge_response(pictures: Tensor) -> Tensor:
    """r = Tr(H)^2 / Det(H) of the gray picture's Hessian, central differences: (B,3,H,W) → (B,1,H,W).

    4 on a round blob, large on an edge, 0 where Det <= 0.
    """
    gray = F.pad(pictures.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    centre = gray[..., 1:-1, 1:-1]
    across = gray[..., 1:-1, 2:] - 2 * centre + gray[..., 1:-1, :-2]
    down = gray[..., 2:, 1:-1] - 2 * centre + gray[..., :-2, 1:-1]
    mixed = (gray[..., 2:, 2:] + gray[..., :-2, :-2] - gray[..., 2:, :-2] - gray[..., :-2, 2:]) / 4
    determinant = across * down - mixed.square()
    response = (across + down).square() / determinant.clamp(min=FLAT)
    return torch.where(determinant > FLAT, response, 0.0)


def nearest_power_of_two(tile: float) -> int:
    """The power of two in [2, 64] nearest to `tile` pixels; a negative estimate gives 2, as EAR does for wood."""
    powers = [1 << exponent for exponent in range(SMALLEST.bit_length() - 1, LARGEST.bit_length())]
    return min(powers, key=lambda power: abs(power - tile))


def _top_mean(responses: Tensor) -> float | None:
    """log2 of the defined responses, mean of the top tenth; the logarithm since 8-bit steps make some Det almost 0."""
    defined = responses[responses > 0].log2()
    if len(defined) == 0:
        return None
    count = max(1, round(TOP_SHARE * len(defined)))
    return float(defined.topk(count).values.mean())


def _line(response: float) -> float:
    (x0, y0), (x1, y1) = BLOBS, EDGES
    return y0 + (response - x0) * (y1 - y0) / (x1 - x0)
