"""What a detector drew on its way to a score → labelled pictures for people.

In: a part as the detector sees it and its `Explanation` (one picture). Out: `Step`s in the order of the computation.
Refuses nothing. The anomaly map is on the product's fixed scale: two versions' maps of a part can be told apart by eye.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from detector.heatmap import HeatmapScale, overlay, to_gray8
from detector.pipeline import Explanation

Pixels = npt.NDArray[np.uint8]

LARGE, NEAR = 1024, 256  # px of the longer side: from which a part is shown close up as well, and how much of it


@dataclass(frozen=True)
class Step:
    """One picture of the way."""

    caption: str
    alt: str
    pixels: Pixels
    """(h,w,3) or (h,w); a gate is smaller than the part."""


def draw_steps(pixels: Pixels, seen: Explanation, scale: HeatmapScale) -> list[Step]:
    """The part (H,W,3), mask, hint, gate if there is one, reconstruction, map, map over the part."""
    heatmap = seen.heatmap[0].cpu().numpy()
    gate = [] if seen.gate is None else [Step("gate", "gate of the skip connections: black is cut", _drawn(seen.gate))]
    return [
        Step("image", "the part, as large as the detector sees it", pixels),
        Step("hidden", "saliency mask: white is hidden", _drawn(seen.mask)),
        Step("hint", "what the network saw: hidden places as mosaic tiles, or removed", _drawn(seen.hint)),
        *gate,
        Step("reconstruction", "the part as it should have looked", _drawn(seen.reconstruction)),
        Step("anomaly map", "anomaly map: middle grey is the ng threshold", to_gray8(heatmap, scale)),
        Step("map on image", "anomaly map in colour over the part", overlay(pixels, heatmap, scale)),
        *_close_up(pixels, heatmap, scale),
    ]


def _close_up(pixels: Pixels, heatmap: npt.NDArray[np.float32], scale: HeatmapScale) -> list[Step]:
    """Of a large part, whose pictures are drawn small: where the map is highest, pixel by pixel, in its proportions."""
    height, width = heatmap.shape
    if max(height, width) < LARGE:
        return []
    sides = [round(side * NEAR / max(height, width)) for side in (height, width)]
    peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
    starts = [
        min(max(0, int(at) - side // 2), of - side) for at, side, of in zip(peak, sides, (height, width), strict=True)
    ]
    near = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return [
        Step("highest place", f"{sides[1]}x{sides[0]} px around the highest place of the map", pixels[near]),
        Step("map on it", "anomaly map in colour over that place", overlay(pixels[near], heatmap[near], scale)),
    ]


def _drawn(picture: Tensor) -> Pixels:
    """(1,3,h,w) or (1,1,h,w) in [0, 1] → (h,w,3) or (h,w) uint8."""
    array = picture[0].permute(1, 2, 0).cpu().numpy()
    pixels: Pixels = np.rint(array * 255).astype(np.uint8)
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
