"""Bytes of one picture → upright RGB uint8. The only place where a picture is opened.

In: the bytes a camera posted, or a training file's; how they are read is said by the spec, so both agree to the bit.
Out: `Picture`. Refuses, in this order: no bytes, too many bytes, a format off the allow-list, a header over or under
the caps (no pixel is decoded yet), then pixels that are damaged or have no meaning in 8-bit RGB.
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, UnidentifiedImageError, features

from detector.errors import (
    CorruptPicture,
    EmptyPicture,
    PictureTooLarge,
    PictureTooSmall,
    TruncatedPicture,
    UnsupportedFormat,
)
from detector.pixels import to_8bit, turn_of
from detector.spec import InputSpec

SUPPORTED_MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/bmp", "image/tiff", "image/webp"})

MIB = 1 << 20
MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"BM": "bmp",
    b"II*\x00": "tiff",  # BigTIFF is left out: it exists for files over 4 GiB
    b"MM\x00*": "tiff",
}
FOREIGN_MAGIC = {b"GIF8": "a GIF", b"%PDF": "a PDF", b"<": "SVG, XML or HTML", b"PK": "a ZIP archive"}

END_OF_IMAGE, START_OF_SCAN = b"\xff\xd9", b"\xff\xda"  # JPEG markers
START_OF_SCAN_WORD = int.from_bytes(START_OF_SCAN, "little")
SEGMENT = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # not stuffing, fill, restart or another start of image
MAX_SCANS = 64  # a progressive JPEG has about ten; each costs a pass over the whole picture and may take ten bytes

# What Pillow's parsers let through for damaged bytes: the first four were seen, the others could be. MemoryError is not
# here: that is our trouble, not the sender's. UserWarning is raised only in a process where warnings are errors.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    UserWarning,
    struct.error,
    zlib.error,
)

# Once and for the process: `catch_warnings` in each call would not be safe between threads. The caps below do not
# depend on it: they are checked again on the opened header, and are under Pillow's own limit (see DecodeLimits).
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# A picture whose metadata are odd is still a picture; one TIFF can give 65 535 different complaints about its tags.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Plugins register on first use; done here so that no two threads do it at once, and a Pillow that was built without
# a codec fails at start and not at the first WebP.
Image.init()
for _codec in ("jpg", "zlib", "libtiff", "webp"):
    if not features.check(_codec):
        raise ImportError(f"this Pillow was built without {_codec}; install the wheel from PyPI")

# What the bits of a decoded picture depend on: JPEG leaves rounding to its decoder (docs/adr/0018).
DECODERS = {
    "pillow": PIL.__version__,
    "libjpeg-turbo": str(features.version("libjpeg_turbo") or features.version("jpg")),
}


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """Caps on what a sender may ask to be decoded.

    `max_pixels` may not pass Pillow's own bomb limit (89 478 485), above which a picture is refused whatever we allow.
    """

    max_bytes: int = 32 * MIB
    max_pixels: int = 50_000_000
    max_side: int = 16_384
    min_side: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.min_side <= self.max_side or self.max_bytes < 1:
            raise ValueError(f"decode limits make no sense: {self}")
        if Image.MAX_IMAGE_PIXELS is not None and not 1 <= self.max_pixels <= Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"max_pixels must be 1 to {Image.MAX_IMAGE_PIXELS}, not {self.max_pixels}")


@dataclass(frozen=True)
class Picture:
    """One decoded picture."""

    image: Image.Image
    """Mode L or RGB, upright; smaller than `height` x `width` when a JPEG was decoded at a scale. Not to be changed."""
    width: int
    """Of the upright picture as it was sent, in px."""
    height: int
    format: str
    """"jpeg", "png", "bmp", "tiff" or "webp", by its first bytes; what the sender called it is not asked."""

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(h,w,3) RGB, read-only: a copy of what Pillow holds, some milliseconds where the picture is large."""
        return np.asarray(self.image.convert("RGB"))


def decode(data: bytes, spec: InputSpec, limits: DecodeLimits = DecodeLimits()) -> Picture:
    """Decode the first frame of `data`; bytes after its end (a polyglot's second face) are never read.

    Raises leaves of `DecodeError` only. A JPEG has no checksum: damage that still ends properly gives wrong pixels.
    """
    format_name = _check_bytes(data, limits)
    with _damage_translated(data, format_name, limits), Image.open(io.BytesIO(data), formats=[format_name]) as image:
        width, height = image.size
        _check_header(width, height, limits)
        if format_name == "jpeg":
            _check_scans(data)
            _scale_draft(image, spec)
        stored = to_8bit(image)
        turn = turn_of(image)
        upright = stored if turn is None else stored.transpose(turn.method)
    if turn is not None and turn.swaps_sides:
        width, height = height, width
    return Picture(upright, width, height, format_name)


def find_format(data: bytes) -> str | None:
    """What a picture calls itself in its first bytes; None where we take no such one. It may be broken all the same."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((format_name for magic, format_name in MAGIC.items() if data.startswith(magic)), None)


def _check_bytes(data: bytes, limits: DecodeLimits) -> str:
    """The format, by the first bytes."""
    if not data:
        raise EmptyPicture("the picture has no bytes; the camera sent an empty body")
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(
            f"the picture has {len(data) / MIB:.1f} MiB; at most {limits.max_bytes / MIB:g} MiB are accepted"
        )
    if (format_name := find_format(data)) is not None:
        return format_name
    looks = next((name for magic, name in FOREIGN_MAGIC.items() if data.startswith(magic)), "none of them")
    raise UnsupportedFormat(
        f"a picture must be JPEG, PNG, BMP, TIFF or WebP; its first bytes, {data[:8].hex(' ')}, are those of {looks}"
    )


def _check_header(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise PictureTooLarge(
            f"the picture is {width}x{height} px, {width * height / 1e6:.1f} megapixels; {_accepted(limits)}"
        )
    if min(width, height) < limits.min_side:
        raise PictureTooSmall(f"the picture is {width}x{height} px; each side must have at least {limits.min_side} px")


def _accepted(limits: DecodeLimits) -> str:
    return f"at most {limits.max_pixels / 1e6:g} megapixels and {limits.max_side} px a side are accepted"


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG that a few bytes a scan would keep a decoder busy with for hours."""
    words = (np.frombuffer(data, "<u2", (len(data) - at) // 2, at) for at in (0, 1))  # a tenth of data.count's time
    seen = sum(np.count_nonzero(half == START_OF_SCAN_WORD) for half in words)
    if seen <= MAX_SCANS:  # counts those of thumbnails and of bytes after the end as well
        return
    scans = _count_scans(data)
    if scans > MAX_SCANS:
        raise CorruptPicture(f"the JPEG is made of more than {MAX_SCANS} scans; send it as a baseline JPEG")


def _count_scans(data: bytes) -> int:
    """Scans of the first picture, up to one over the limit: from marker to marker, as a decoder goes."""
    scans, at = 0, 2
    while scans <= MAX_SCANS and (found := SEGMENT.search(data, at)) and found[0] != END_OF_IMAGE:
        scans += found[0] == START_OF_SCAN
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def _scale_draft(image: Image.Image, spec: InputSpec) -> None:
    """Have a JPEG decoded at the strongest of 1/2, 1/4, 1/8 that keeps `jpeg_scale_margin` times the input."""
    if spec.jpeg_scale_margin == 0:
        return
    sides = (spec.width * spec.jpeg_scale_margin, spec.height * spec.jpeg_scale_margin)
    turn = turn_of(image)
    # `draft` never goes under the sides it is given, and counts them before EXIF turns the picture
    image.draft(None, sides[::-1] if turn is not None and turn.swaps_sides else sides)


@contextmanager
def _damage_translated(data: bytes, format_name: str, limits: DecodeLimits) -> Iterator[None]:
    """What Pillow raises becomes the leaf that says what is wrong with the picture."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise PictureTooLarge(f"the header promises far too many pixels; {_accepted(limits)}") from exc
    except DAMAGE as exc:
        name = format_name.upper()
        # Pillow's own words for an unreadable header hold a memory address
        why = "its header makes no sense" if isinstance(exc, UnidentifiedImageError) else str(exc)
        if _ends_early(data, format_name, exc):
            raise TruncatedPicture(f"the {name} ends early, after {len(data)} bytes: was it cut off? ({why})") from exc
        raise CorruptPicture(f"the {name} of {len(data)} bytes cannot be decoded: {why}") from exc


def _ends_early(data: bytes, format_name: str, damage: Exception) -> bool:
    """Whether bytes are missing at the end, told by the format's own marks, or else by Pillow's words."""
    missing = {
        "jpeg": data.rfind(END_OF_IMAGE) <= data.rfind(START_OF_SCAN),
        "png": b"IEND" not in data,
        "webp": int.from_bytes(data[4:8], "little") + 8 > len(data),
        "tiff": _tiff_directory_end(data) > len(data),
        "bmp": False,  # its size field is wrong in the wild
    }
    return missing[format_name] or isinstance(damage, EOFError) or "truncated" in str(damage).lower()


def _tiff_directory_end(data: bytes) -> int:
    """Where the first directory of a TIFF would end."""
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    start = int.from_bytes(data[4:8], order)
    return start + 2 + 12 * int.from_bytes(data[start : start + 2], order)
