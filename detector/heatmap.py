"""A heatmap → pictures for people: grey on a fixed scale, colours over the part, PNG bytes.

In: heatmap (H,W) float32, finite; the product's scale. Out: uint8 pictures. Refuses nothing.
The scale belongs to the product, never to one picture: two heatmaps of a product can be compared by eye.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Resampling

from detector.calibration import Calibration

BLACK, CENTRE, WHITE = 0, 128, 255  # grey of the scale's low, centre and high
FADE_FROM = CENTRE // 2  # half way from low to centre: nothing is drawn up to here
OPACITY = 0.65  # of the colours from the centre on: the part stays visible underneath
PNG_EFFORT = 1  # of 9: 256x256 in a millisecond; 9 saves a few per cent
ANY_MATCHES, RUNS_ONLY = 0, 3  # zlib's strategies: runs alone make a smooth grey map smaller, and sooner

# Okabe & Ito 2008: told apart with every kind of colour blindness, and ever brighter, so in grey print too
BLUE, ORANGE, YELLOW = (0, 114, 178), (230, 159, 0), (240, 228, 66)


@dataclass(frozen=True)
class HeatmapScale:
    """Which value is black, middle grey and white. low < centre < high."""

    low: float
    centre: float
    high: float

    @classmethod
    def of(cls, calibration: Calibration) -> "HeatmapScale":
        """Black is an ordinary value on good parts; the centre is the `ng` threshold; white is as far beyond it."""
        floor, threshold = calibration.map_floor, calibration.ng_above
        return cls(low=floor, centre=threshold, high=2 * threshold - floor)


def to_gray8(heatmap: npt.NDArray[np.float32], scale: HeatmapScale) -> npt.NDArray[np.uint8]:
    """(H,W) → (H,W): low becomes 0, centre 128, high 255, linear between and clipped beyond."""
    below = (heatmap - scale.low) * ((CENTRE - BLACK) / (scale.centre - scale.low))
    above = CENTRE + (heatmap - scale.centre) * ((WHITE - CENTRE) / (scale.high - scale.centre))
    grey = np.where(heatmap < scale.centre, below, above)  # np.interp would take twice the time, in float64
    drawn: npt.NDArray[np.uint8] = np.rint(np.clip(grey, BLACK, WHITE)).astype(np.uint8)
    return drawn


def overlay(
    pixels: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32], scale: HeatmapScale
) -> npt.NDArray[np.uint8]:
    """(h,w,3) RGB and (H,W) → (h,w,3): blue where the map nears the threshold, orange at it, yellow far beyond."""
    picture = Image.fromarray(pixels)
    grey = Image.fromarray(to_gray8(heatmap, scale)).resize(picture.size, Resampling.BILINEAR)
    colours = Image.merge("RGB", [grey.point(table) for table in _colour_tables()])
    return np.array(Image.composite(colours, picture, grey.point(_opacity_table())))


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """(h,w) grey or (h,w,3) RGB → PNG bytes, lossless, compressed for speed."""
    file = io.BytesIO()
    strategy = RUNS_ONLY if pixels.ndim == 2 else ANY_MATCHES
    Image.fromarray(pixels).save(file, "PNG", compress_level=PNG_EFFORT, compress_type=strategy)
    return file.getvalue()


def _colour_tables() -> list[list[int]]:
    """For red, green and blue: the colour of each of the 256 greys."""
    anchors = (FADE_FROM, CENTRE, WHITE)
    channels = zip(BLUE, ORANGE, YELLOW, strict=True)
    return [np.rint(np.interp(range(256), anchors, channel)).astype(int).tolist() for channel in channels]


def _opacity_table() -> list[int]:
    """0 up to `FADE_FROM`, rising to `OPACITY` at the centre."""
    opacity = np.interp(range(256), (FADE_FROM, CENTRE), (0, 255 * OPACITY))
    return np.rint(opacity).astype(int).tolist()  # type: ignore[no-any-return]
