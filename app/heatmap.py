"""What was seen → a heatmap as its sender asked for it, and what is said about it. Refuses nothing.

A large map is drawn smaller, and a place in it shows the worst pixel behind it, so a small defect stays in sight.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.part import HeatmapStyle
from app.scoring import Seen
from detector.heatmap import HeatmapScale, encode_png, overlay, to_gray8

MOST_PIXELS = 1 << 20  # of a map that is drawn; `raw` is as large as the input


def draw(style: HeatmapStyle, seen: Seen) -> bytes:
    """`raw` is the map itself: height x width float32, little-endian, row by row."""
    if style == "raw":
        return seen.scored.heatmap.astype("<f4").tobytes()
    scale, heatmap = HeatmapScale.of(seen.calibration), shown(seen.scored.heatmap)
    if style != "overlay":
        return encode_png(to_gray8(heatmap, scale))
    pixels = seen.picture.pixels
    if heatmap is not seen.scored.heatmap:
        pixels = np.asarray(Image.fromarray(pixels).resize(heatmap.shape[::-1], Image.Resampling.BOX))
    return encode_png(overlay(pixels, heatmap, scale))


def shown(heatmap: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(H,W), or of more than `MOST_PIXELS` the highest of k x k px: (⌈H/k⌉,⌈W/k⌉)."""
    cell = math.ceil(math.sqrt(heatmap.size / MOST_PIXELS))
    if cell <= 1:
        return heatmap
    rows = np.maximum.reduceat(heatmap, range(0, heatmap.shape[0], cell), axis=0)
    drawn: npt.NDArray[np.float32] = np.maximum.reduceat(rows, range(0, heatmap.shape[1], cell), axis=1)
    return drawn


def describe(style: HeatmapStyle, seen: Seen) -> dict[str, Any]:
    """Its size and scale; app/keeping.py adds what became of it."""
    height, width = (seen.scored.heatmap if style == "raw" else shown(seen.scored.heatmap)).shape
    return {
        "style": style,
        "media_type": "application/octet-stream" if style == "raw" else "image/png",
        "width": width,
        "height": height,
        "scale": asdict(HeatmapScale.of(seen.calibration)),
    }
