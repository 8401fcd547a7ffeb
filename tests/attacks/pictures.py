"""Odd and hostile pictures, built from code: nothing of the kind is stored in the repository.

In: sizes. Out: the bytes that a camera, or someone who is no camera, could post.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

EXIF_ORIENTATION = 0x0112
SHORT, LONG = 3, 4  # TIFF field types


def part(width: int = 48, height: int = 40) -> npt.NDArray[np.uint8]:
    """(h,w,3): no two corners alike, smooth enough for JPEG."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (255 * x / (width - 1), 255 * y / (height - 1), 128 + 100 * np.sin(x / 9 + y / 5))
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def encoded(pixels: npt.NDArray[Any], format_name: str, **options: Any) -> bytes:
    """A picture as Pillow writes it."""
    return saved(Image.fromarray(pixels), format_name, **options)


def saved(image: Image.Image, format_name: str, **options: Any) -> bytes:
    """As `encoded`, of a Pillow picture."""
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def of_every_format() -> dict[str, bytes]:
    """One harmless picture of each format that is read."""
    return {name: encoded(part(), name) for name in ("jpeg", "png", "bmp", "tiff", "webp")}


def foreign() -> dict[str, bytes]:
    """Files that are no picture, or of a kind that is not read."""
    return {
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF",
        "gif": encoded(part(), "gif"),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "elf": b"\x7fELF\x02\x01\x01" + bytes(64),
        "zip": b"PK\x03\x04" + bytes(64),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        "text": b"hello",
        "wav": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32),
    }


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Length, name, body, CRC."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, compressed: bytes, *, before: bytes = b"") -> bytes:
    """An 8-bit grey PNG of this header and this IDAT, whether or not they agree; `before`: chunks between them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", compressed) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def bomb_png(side: int = 10_000) -> bytes:
    """A valid black PNG of 100 megapixels in about 100 KB: Deflate packs zeros 1030 to 1, and no better."""
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    return png(side, side, b"".join(packer.compress(row) for _ in range(side)) + packer.flush())


def bomb_1bit_png(side: int = 10_000) -> bytes:
    """The same at one bit a pixel: about 12 KB."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes((side + 7) // 8 + 1)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def tiff(entries: Sequence[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """Little-endian TIFF: the directory of (tag, type, count, value) at byte 8, then `data`."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + data


def grey_tiff(width: int, height: int, data: bytes, *, bits: int = 8, photometric: int = 1) -> bytes:
    """An uncompressed grey TIFF of one strip."""
    fields = 8
    entries = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, bits),
        (259, SHORT, 1, 1),  # not compressed
        (262, SHORT, 1, photometric),
        (273, LONG, 1, 8 + 2 + 12 * fields + 4),
        (278, LONG, 1, height),
        (279, LONG, 1, len(data)),
    ]
    return tiff(entries, data)


def tag_bomb_tiff(tags: int = 4000, size: int = 1 << 18) -> bytes:
    """Thousands of tags that all claim the same quarter megabyte: a reader that copies each needs a gigabyte."""
    entries = [(1000 + index, 1, size, 64) for index in range(tags)]
    return tiff([(256, LONG, 1, 64), (257, LONG, 1, 64), *entries], bytes(size))


def bomb_webp_header(width: int = 16_000, height: int = 16_000) -> bytes:
    """A small lossless WebP whose header claims 256 megapixels."""
    honest = encoded(part(), "webp", lossless=True)
    at = honest.index(b"VP8L") + 9
    bits = int.from_bytes(honest[at : at + 4], "little") >> 28 << 28
    bits |= (width - 1) | (height - 1) << 14
    return honest[:at] + bits.to_bytes(4, "little") + honest[at + 4 :]


def polyglot() -> bytes:
    """A JPEG and, read from its end, a ZIP archive."""

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run.sh", "echo nothing\n")
    return encoded(part(), "jpeg") + archive.getvalue()


def rotated(format_name: str, orientation: int, pixels: npt.NDArray[np.uint8], **options: Any) -> bytes:
    """Stored as it is, with the EXIF word that says how to turn it."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encoded(pixels, format_name, exif=exif, **options)


def animated(format_name: str) -> bytes:
    """Three frames; the first is `part()`, the others are its negative and black."""
    first = part()
    others = [Image.fromarray(255 - first), Image.fromarray(np.zeros_like(first))]
    lossless = {"lossless": True} if format_name == "webp" else {}
    return encoded(first, format_name, save_all=True, append_images=others, **lossless)


def see_through(alpha: int) -> bytes:
    """A PNG whose one corner pixel has this alpha."""
    image = Image.fromarray(part()).convert("RGBA")
    image.putpixel((0, 0), (10, 20, 30, alpha))
    return saved(image, "png")


def palette_png(*, transparent: bool) -> bytes:
    """A palette PNG; `transparent`: its first colour is."""
    image = Image.fromarray(part()).quantize(16)
    return saved(image, "png", **({"transparency": 0} if transparent else {}))


def scan_bomb_jpeg(scans: int = 20_000, side: int = 2048) -> bytes:
    """A progressive JPEG that repeats the header of one scan: each is a pass over all its pixels for ten bytes."""
    honest = encoded(part(side, side), "jpeg", progressive=True)
    last = honest.rindex(b"\xff\xda")
    length = int.from_bytes(honest[last + 2 : last + 4], "big")
    return honest[:-2] + honest[last : last + 2 + length] * scans + honest[-2:]


def text_bomb_png(chunks: int = 80) -> bytes:
    """A small picture whose comments inflate to a megabyte each."""
    comment = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20)))
    return png(32, 32, zlib.compress(bytes(32 * 33)), before=comment * chunks)
