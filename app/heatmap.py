"""What was seen → a heatmap as its sender asked for it, and what is said about it. Refuses nothing."""

from dataclasses import asdict
from typing import Any

from app.part import HeatmapStyle
from app.scoring import Seen
from detector.heatmap import HeatmapScale, encode_png, overlay, to_gray8


def draw(style: HeatmapStyle, seen: Seen) -> bytes:
    """`raw` is the map itself: height x width float32, little-endian, row by row."""
    if style == "raw":
        return seen.scored.heatmap.astype("<f4").tobytes()
    scale = HeatmapScale.of(seen.calibration)
    if style == "overlay":
        return encode_png(overlay(seen.picture.pixels, seen.scored.heatmap, scale))
    return encode_png(to_gray8(seen.scored.heatmap, scale))


def describe(style: HeatmapStyle, seen: Seen) -> dict[str, Any]:
    """Its size and scale; app/keeping.py adds what became of it."""
    height, width = seen.scored.heatmap.shape
    return {
        "style": style,
        "media_type": "application/octet-stream" if style == "raw" else "image/png",
        "width": width,
        "height": height,
        "scale": asdict(HeatmapScale.of(seen.calibration)),
    }
