"""An opened picture of any pixel type → 8-bit grey or RGB, and how it must be turned to stand upright.

In: what Pillow opened, its header already checked. Out: a Pillow picture of mode L or RGB, as stored; the turn.
Refuses: pixels without one agreed meaning in 8-bit RGB (`UnsupportedPixels`), as transparency, floating point, 32-bit
integers, LAB; an EXIF block that is none (`CorruptPicture`). No colour profile is applied: CMYK goes by plain formula.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Transpose

from detector.errors import CorruptPicture, UnsupportedPixels

OPAQUE_MODES = frozenset({"1", "L", "P", "RGB", "CMYK", "YCbCr"})
ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})
GREY16_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

EXIF_ORIENTATION = 0x0112
TIFF_BITS_PER_SAMPLE = 258
TIFF_PHOTOMETRIC = 262
WHITE_IS_ZERO = 0


@dataclass(frozen=True)
class Turn:
    """What makes a stored picture stand upright."""

    method: Transpose
    swaps_sides: bool


TURNS = {  # by EXIF orientation; 1, and whatever the standard does not know, is upright
    2: Turn(Transpose.FLIP_LEFT_RIGHT, swaps_sides=False),
    3: Turn(Transpose.ROTATE_180, swaps_sides=False),
    4: Turn(Transpose.FLIP_TOP_BOTTOM, swaps_sides=False),
    5: Turn(Transpose.TRANSPOSE, swaps_sides=True),
    6: Turn(Transpose.ROTATE_270, swaps_sides=True),
    7: Turn(Transpose.TRANSVERSE, swaps_sides=True),
    8: Turn(Transpose.ROTATE_90, swaps_sides=True),
}


def turn_of(image: Image.Image) -> Turn | None:
    """The turn that EXIF asks for; none for a TIFF once it is loaded, for Pillow has turned it and says so.

    Raises `CorruptPicture` for an EXIF block that cannot be read: which way is up is then unknown.
    """
    try:
        Image.Exif().load(image.info.get("exif", b""))  # `getexif` is silent about a block that it failed on before
        return TURNS.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except SyntaxError as exc:
        raise CorruptPicture(f"the EXIF block, which says which way is up, cannot be read: {exc}") from exc


def to_8bit(image: Image.Image) -> Image.Image:
    """Decode the first frame and convert it; 16-bit colour keeps its high byte, 16-bit grey is scaled and rounded."""
    image.load()
    mode = image.mode
    if mode in GREY16_MODES:
        _refuse_colour_key(image)
        return Image.fromarray(_grey8(image))
    if mode == "P" and "transparency" in image.info:
        return _without_alpha(image.convert("RGBA"))
    if mode in OPAQUE_MODES:
        _refuse_colour_key(image)
        return image if mode in ("L", "RGB") else image.convert("RGB")
    if mode in ALPHA_MODES:
        return _without_alpha(image.convert("RGBA"))
    raise UnsupportedPixels(
        f"pixels of type {mode} have no agreed meaning in 8-bit RGB; send 8-bit grey or RGB, or 16-bit unsigned grey"
    )


def _refuse_colour_key(image: Image.Image) -> None:
    if "transparency" in image.info:
        raise UnsupportedPixels("the picture declares one colour transparent; send it without transparency")


def _without_alpha(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that hides nothing. What lies behind a hidden pixel is nobody's measurement."""
    lowest, _ = image.getchannel("A").getextrema()
    if lowest != 255:
        raise UnsupportedPixels(
            f"the picture has transparent pixels (alpha down to {lowest} of 255); send it without an alpha channel"
        )
    return image.convert("RGB")


def _grey8(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(h,w): v * 255 / white, rounded half up; white is 65535, or 4095 in a 12-bit TIFF.

    Never stretched to what one picture holds: a camera that fills 12 of 16 bits looks dark, in training too.
    """
    bits = 16
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        if tags.get(TIFF_PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO:
            raise UnsupportedPixels("16-bit grey whose zero is white is not read; send it with zero as black")
        (bits,) = tags[TIFF_BITS_PER_SAMPLE]
    grey: npt.NDArray[np.uint8] = _grey8_of_each(bits)[np.asarray(image)]
    return grey


@cache
def _grey8_of_each(bits: int) -> npt.NDArray[np.uint8]:
    """(65536,): the 8-bit grey of each 16-bit one, where white has `bits` bits."""
    white = (1 << bits) - 1
    return ((np.arange(1 << 16) * 255 + white // 2) // white).astype(np.uint8)
