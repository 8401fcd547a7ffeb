"""How good a picture is as a picture, whatever it shows: is the lamp on, the lens sharp, the sensor clipped?

In: a decoded picture, 8-bit grey or RGB. Out: four numbers. Refuses nothing; a picture of one level has contrast 0.
Measured where a threshold is calibrated and where it is applied, on the same decoded picture: written below both.
Contrast and sharpness are chosen so that a lamp which only fades moves `mean` alone: both are ratios in which a factor
on every pixel cancels. A part of another texture, or a lens out of focus, moves them and leaves `mean` where it was.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Resampling, Transform

from detector.errors import CalibrationError

GRID = 128  # rows and columns that are sampled at most, so that the cost does not grow with the camera's resolution
LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255  # ITU-R BT.601; to 0 … 1
SATURATED = 254  # a channel at 254 or 255: JPEG turns a clipped 255 into either

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageHealth:
    """Of one picture."""

    mean: float
    """Luminance, 0 (black) … 1 (white)."""
    contrast: float
    """Standard deviation of the luminance over its mean, at least 0; RMS contrast (Peli 1990) of a mean of 1."""
    sharpness: float
    """Mean squared difference of neighbours over twice the variance, about 0 (blurred) … 1 (noise); von Neumann's
    ratio (1941), halved, of horizontal and vertical neighbours."""
    saturated_share: float
    """Of the pixels, 0 … 1: those with a channel that is clipped."""


@dataclass(frozen=True, kw_only=True)
class HealthReference:
    """Health of the pictures that a product was calibrated on: what its camera and lamp gave then."""

    pictures: int
    centre: ImageHealth
    """Mean of each measure."""
    spread: ImageHealth
    """Standard deviation of each measure between pictures, n - 1; 0 for one picture."""

    def __post_init__(self) -> None:
        numbers = (*astuple(self.centre), *astuple(self.spread))
        if self.pictures < 1 or not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise CalibrationError("an image health reference needs pictures, and finite numbers that are not negative")


def summarise(healths: Sequence[ImageHealth]) -> HealthReference:
    """The reference of at least one picture; `CalibrationError` for none."""
    if not healths:
        raise CalibrationError("image health needs at least one calibration picture")
    table = np.array([astuple(health) for health in healths])
    spread = table.std(axis=0, ddof=1) if len(table) > 1 else np.zeros(table.shape[1])
    return HealthReference(
        pictures=len(table),
        centre=ImageHealth(*table.mean(axis=0).tolist()),
        spread=ImageHealth(*spread.tolist()),
    )


def measure(image: Image.Image) -> ImageHealth:
    """Health of a picture of mode L or RGB, of at least 2 px a side, from at most GRID² even places and neighbours."""
    here = _sample(image, right=0, down=0)
    brightest = np.maximum(
        np.maximum(here[..., 0], here[..., 1]), here[..., 2]
    )  # `max` over three takes 20 times as long
    level = here @ LUMA
    mean, variance = float(level.mean()), float(level.var())
    steps = [(_sample(image, right=x, down=y) @ LUMA - level) ** 2 for x, y in ((1, 0), (0, 1))]
    roughness = float(np.mean([step.mean() for step in steps]))
    return ImageHealth(
        mean=mean,
        contrast=variance**0.5 / mean if mean > 0 else 0.0,
        sharpness=roughness / (2 * variance) if variance > 0 else 0.0,
        saturated_share=float((brightest >= SATURATED).mean()),
    )


def _sample(image: Image.Image, *, right: int, down: int) -> Pixels:
    """(h,w,3) of every n-th pixel of every n-th row, so many px to the right and down; copies nothing else."""
    steps = [-(-side // GRID) for side in image.size]
    size = [-(-(side - 1) // step) for side, step in zip(image.size, steps, strict=True)]
    # the centre of a pixel of the sample, in px from its corner, is that of the pixel it stands for
    (across, along), (x, y) = steps, (right + (1 - steps[0]) / 2, down + (1 - steps[1]) / 2)
    found = image.transform((size[0], size[1]), Transform.AFFINE, (across, 0, x, 0, along, y), Resampling.NEAREST)
    return np.asarray(found.convert("RGB"))
