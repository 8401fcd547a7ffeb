"""A decoded picture → the pixels the networks see.

In: an 8-bit grey or RGB picture of any size. Out: (spec.height, spec.width, 3) uint8 RGB, stretched to fit. Refuses
nothing. Called by training and serving alike: this resampling is part of what a score means.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Resampling

from detector.spec import InputSpec, Resample

FILTERS: dict[Resample, Resampling] = {
    "box": Resampling.BOX,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}


def resize_to_input(image: Image.Image, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """(spec.height, spec.width, 3), contiguous and writable; each output pixel sees its whole footprint.

    What Pillow holds is resized where it lies, and grey as one channel: to copy it first would take as long again.
    """
    # reducing_gap stays None: it would shrink in a first coarse step, and small defects would fade with it
    resized = image.resize((spec.width, spec.height), FILTERS[spec.resample])
    return np.array(resized.convert("RGB"))
