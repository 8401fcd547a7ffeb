"""Every odd or hostile picture gets its leaf of DecodeError or the right pixels; nothing else ever leaves decode."""

import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detector.decode import decode
from detector.errors import (
    CorruptPicture,
    DecodeError,
    EmptyPicture,
    PictureTooLarge,
    PictureTooSmall,
    TruncatedPicture,
    UnsupportedFormat,
    UnsupportedPixels,
)
from detector.spec import InputSpec
from tests.attacks import pictures
from tests.attacks.pictures import encoded, part, saved

SPEC = InputSpec(height=32, width=32)
MIB = 1 << 20
EVERY_FORMAT = pictures.of_every_format()

# the service ignores what Pillow says about odd metadata (decode.py); the suite's "warnings are errors" would hide that
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def no_pixels() -> Iterator[None]:
    """Fails the test when Pillow made room for pixels, which Python cannot see, or Python held over 5 MiB at once."""
    Image.core.reset_stats()
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Image.core.get_stats()["new_count"] == 0
    assert peak < 5 * MIB


def test_decoded_pixels_are_seen_by_the_count_that_proves_there_were_none() -> None:
    Image.core.reset_stats()
    decode(pictures.bomb_png(100), SPEC)
    assert Image.core.get_stats()["new_count"] > 0


@pytest.mark.parametrize("name", pictures.foreign())
def test_foreign_bytes_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="must be JPEG, PNG, BMP, TIFF or WebP"):
        decode(pictures.foreign()[name], SPEC)


def test_no_bytes_are_an_empty_picture() -> None:
    with pytest.raises(EmptyPicture):
        decode(b"", SPEC)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("format_name", EVERY_FORMAT)
def test_a_picture_cut_off_is_truncated(format_name: str, share: float) -> None:
    data = EVERY_FORMAT[format_name]
    with pytest.raises(TruncatedPicture, match="ends early"):
        decode(data[: max(16, int(len(data) * share))], SPEC)


@pytest.mark.usefixtures("no_pixels")
@pytest.mark.parametrize("bomb", [pictures.bomb_png(), pictures.bomb_1bit_png()], ids=["8-bit", "1-bit"])
def test_a_100_megapixel_png_is_refused_and_no_pixel_decoded(bomb: bytes) -> None:
    assert len(bomb) < 100_000
    with pytest.raises(PictureTooLarge, match="50 megapixels"):
        decode(bomb, SPEC)


def test_the_bomb_is_a_valid_picture_once_it_is_small() -> None:
    np.testing.assert_array_equal(decode(pictures.bomb_png(100), SPEC).pixels, np.zeros((100, 100, 3)))


@pytest.mark.usefixtures("no_pixels")
@pytest.mark.parametrize(
    "data",
    [
        pictures.png(60_000, 60_000, b"\x00"),
        pictures.png(7_100, 7_100, b"\x00"),  # over our cap, under Pillow's
        pictures.png(16_385, 16, b"\x00"),
        pictures.grey_tiff(60_000, 60_000, bytes(64)),
        pictures.bomb_webp_header(),
    ],
)
def test_a_huge_header_is_refused_whatever_follows(data: bytes) -> None:
    with pytest.raises(PictureTooLarge):
        decode(data, SPEC)


def test_a_sliver_is_too_small() -> None:
    with pytest.raises(PictureTooSmall, match="200x15"):
        decode(encoded(part(200, 15), "png"), SPEC)


def test_a_header_that_promises_more_than_follows_is_corrupt() -> None:
    with pytest.raises(CorruptPicture):
        decode(pictures.png(500, 500, b"\x00\x01\x02"), SPEC)


@pytest.mark.usefixtures("no_pixels")
def test_tags_that_share_their_bytes_are_not_copied_thousands_of_times() -> None:
    with pytest.raises(CorruptPicture):
        decode(pictures.tag_bomb_tiff(), SPEC)


def test_a_jpeg_of_endless_scans_is_refused_before_its_pixels() -> None:
    bomb = pictures.scan_bomb_jpeg()
    Image.core.reset_stats()
    with pytest.raises(CorruptPicture, match="64 scans"):
        decode(bomb, SPEC)
    assert Image.core.get_stats()["new_count"] == 0


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
def test_an_exif_block_that_is_none_is_corrupt_for_up_is_unknown(format_name: str) -> None:
    with pytest.raises(CorruptPicture, match="which way is up"):
        decode(encoded(part(), format_name, exif=b"Exif\x00\x00MM\xff*\x00\x00\x00\x08"), SPEC)


def test_a_chunk_without_a_name_amid_the_pixels_ends_the_picture() -> None:
    half = zlib.compress(bytes(range(256)) * 4)[:20]
    with pytest.raises(TruncatedPicture, match="broken PNG"):
        decode(pictures.png(32, 32, half).replace(b"IEND", b"\x01\x02\x03\x04"), SPEC)


@pytest.mark.usefixtures("no_pixels")
def test_comments_that_inflate_without_end_are_refused() -> None:
    with pytest.raises(CorruptPicture, match="text chunks"):
        decode(pictures.text_bomb_png(), SPEC)


def test_an_ordinary_progressive_jpeg_is_read() -> None:
    assert decode(encoded(part(), "jpeg", progressive=True), SPEC).width == 48


def test_bytes_like_scans_after_the_end_do_not_count() -> None:
    plain = encoded(part(), "jpeg")
    assert decode(plain + b"\xff\xda\x00\x02" * 1000, SPEC).width == 48


def test_a_few_scans_too_many_are_refused_and_as_many_as_allowed_are_read() -> None:
    honest = encoded(part(64, 64), "jpeg", progressive=True).count(b"\xff\xda")
    after_the_end = b"\xff\xda\x00\x02" * 9  # makes the exact count necessary
    assert decode(pictures.scan_bomb_jpeg(64 - honest, side=64) + after_the_end, SPEC).width == 64
    with pytest.raises(CorruptPicture, match="64 scans"):
        decode(pictures.scan_bomb_jpeg(65 - honest, side=64), SPEC)


def test_threads_that_decode_at_once_get_their_own_picture() -> None:
    work = [*EVERY_FORMAT.values()] * 20
    expected = [decode(data, SPEC).pixels for data in work]
    with ThreadPoolExecutor(8) as pool:
        for picture, pixels in zip(pool.map(lambda data: decode(data, SPEC), work), expected, strict=True):
            np.testing.assert_array_equal(picture.pixels, pixels)


def test_a_polyglot_is_the_picture_that_it_begins_with() -> None:
    picture = decode(pictures.polyglot(), SPEC)
    np.testing.assert_array_equal(picture.pixels, decode(encoded(part(), "jpeg"), SPEC).pixels)


@pytest.mark.parametrize("format_name", ["png", "webp", "tiff"])
def test_of_several_frames_the_first_counts(format_name: str) -> None:
    picture = decode(pictures.animated(format_name), SPEC)
    np.testing.assert_array_equal(picture.pixels, part())


def test_of_a_multi_picture_jpeg_the_first_counts() -> None:
    picture = decode(pictures.animated("mpo"), SPEC)
    np.testing.assert_array_equal(picture.pixels, decode(encoded(part(), "jpeg"), SPEC).pixels)
    assert picture.format == "jpeg"


@pytest.mark.parametrize("format_name", ["png", "tiff"])
def test_16_bit_grey_is_scaled_and_rounded(format_name: str) -> None:
    grey = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 64
    grey[0, :6] = [0, 128, 129, 257, 65406, 65535]
    picture = decode(encoded(grey, format_name), SPEC)
    np.testing.assert_array_equal(picture.pixels[..., 1], np.floor(grey / 257 + 0.5))
    np.testing.assert_array_equal(picture.pixels[0, :6, 0], [0, 0, 1, 1, 254, 255])


def test_big_endian_16_bit_grey_is_scaled_too() -> None:
    image = Image.frombytes("I;16B", (16, 16), bytes([0x80, 0x80]) * 256)
    assert set(decode(saved(image, "tiff"), SPEC).pixels.ravel()) == {128}


def test_12_bit_grey_reaches_white() -> None:
    picture = decode(pictures.grey_tiff(16, 16, b"\xff" * 384, bits=12), SPEC)
    assert set(picture.pixels.ravel()) == {255}


def test_16_bit_grey_with_white_as_zero_is_refused() -> None:
    with pytest.raises(UnsupportedPixels, match="zero as black"):
        decode(pictures.grey_tiff(16, 16, bytes(512), bits=16, photometric=0), SPEC)


def test_a_cmyk_jpeg_is_converted_by_the_plain_formula() -> None:
    ink = Image.new("CMYK", (32, 32), (200, 40, 0, 55))
    pixels = decode(saved(ink, "jpeg", quality=95), SPEC).pixels.astype(int)
    expected = [(255 - c) * (255 - 55) / 255 for c in (200, 40, 0)]
    assert np.abs(pixels - expected).max() <= 3


def test_alpha_that_hides_nothing_is_dropped() -> None:
    picture = decode(pictures.see_through(255), SPEC)
    np.testing.assert_array_equal(picture.pixels[1:], part()[1:])
    np.testing.assert_array_equal(picture.pixels[0, 0], [10, 20, 30])


def test_one_see_through_pixel_is_enough_to_refuse() -> None:
    with pytest.raises(UnsupportedPixels, match="alpha down to 254 of 255"):
        decode(pictures.see_through(254), SPEC)


def test_a_palette_is_looked_up_and_may_not_be_transparent() -> None:
    image = Image.fromarray(part()).quantize(16)
    np.testing.assert_array_equal(
        decode(pictures.palette_png(transparent=False), SPEC).pixels, np.asarray(image.convert("RGB"))
    )
    with pytest.raises(UnsupportedPixels, match="transparent"):
        decode(pictures.palette_png(transparent=True), SPEC)


def test_a_colour_declared_transparent_is_refused() -> None:
    with pytest.raises(UnsupportedPixels, match="one colour transparent"):
        decode(encoded(part(), "png", transparency=(1, 2, 3)), SPEC)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixels_without_an_8_bit_meaning_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedPixels, match=mode):
        decode(saved(Image.new(mode, (32, 32)), "tiff"), SPEC)


@given(st.binary(max_size=400), st.sampled_from([b"", *(data[:40] for data in EVERY_FORMAT.values())]))
@settings(deadline=None, max_examples=100)
def test_any_bytes_decode_or_raise_a_decode_error(tail: bytes, head: bytes) -> None:
    _decode_or_refuse(head + tail)


@given(
    st.sampled_from(sorted(EVERY_FORMAT)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0.5, 1),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_any_damage_to_a_picture_decodes_or_raises_a_decode_error(
    format_name: str, changes: list[tuple[float, int]], kept: float, in_header: bool
) -> None:
    data = bytearray(EVERY_FORMAT[format_name])
    reach = min(len(data), 200) if in_header else len(data)
    for place, value in changes:
        data[int(place * reach)] = value
    _decode_or_refuse(bytes(data[: int(kept * len(data))]))


def _decode_or_refuse(data: bytes) -> None:
    with suppress(DecodeError):
        picture = decode(data, SPEC)
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.shape == (picture.height, picture.width, 3)
