"""decode: bytes → upright RGB, and what it refuses. Hostile pictures are in tests/attacks."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from detector.decode import DecodeLimits, Picture, decode
from detector.errors import EmptyPicture, PictureTooLarge, PictureTooSmall, UnsupportedFormat
from detector.preprocess import resize_to_input
from detector.spec import InputSpec
from tests.attacks.pictures import encoded, of_every_format, part, rotated, saved

SMALL = InputSpec(height=32, width=32)
UNSCALED = InputSpec(height=32, width=32, jpeg_scale_margin=0)


@pytest.mark.parametrize("format_name", ["png", "bmp", "tiff"])
def test_lossless_formats_give_back_every_pixel(format_name: str) -> None:
    picture = decode(encoded(part(), format_name), SMALL)
    np.testing.assert_array_equal(picture.pixels, part())
    assert (picture.width, picture.height, picture.format) == (48, 40, format_name)


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_lossy_formats_come_close(format_name: str) -> None:
    picture = decode(encoded(part(), format_name, quality=95), SMALL)
    assert np.abs(picture.pixels.astype(int) - part()).mean() < 4
    assert picture.format == format_name


def test_the_checks_come_in_their_order() -> None:
    tight = DecodeLimits(max_bytes=10, max_side=20)
    with pytest.raises(EmptyPicture):
        decode(b"", SMALL, tight)
    with pytest.raises(PictureTooLarge, match="MiB"):
        decode(b"%PDF-1.7 and more", SMALL, tight)
    with pytest.raises(UnsupportedFormat, match="a PDF"):
        decode(b"%PDF-1.7", SMALL, tight)


def test_a_picture_of_exactly_the_byte_limit_is_read() -> None:
    data = encoded(part(), "png")
    assert decode(data, SMALL, DecodeLimits(max_bytes=len(data))).width == 48
    with pytest.raises(PictureTooLarge):
        decode(data, SMALL, DecodeLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (DecodeLimits(max_pixels=48 * 40 - 1), PictureTooLarge),
        (DecodeLimits(max_side=47), PictureTooLarge),
        (DecodeLimits(min_side=41), PictureTooSmall),
    ],
)
@pytest.mark.parametrize("format_name", ["jpeg", "png", "bmp", "tiff", "webp"])
def test_each_cap_is_read_from_the_header(format_name: str, limits: DecodeLimits, error: type[Exception]) -> None:
    with pytest.raises(error, match="48x40"):
        decode(of_every_format()[format_name], SMALL, limits)


def test_a_picture_exactly_at_the_caps_is_read() -> None:
    limits = DecodeLimits(max_pixels=48 * 40, max_side=48, min_side=40)
    assert decode(encoded(part(), "png"), SMALL, limits).pixels.shape == (40, 48, 3)


@pytest.mark.parametrize(
    "wrong", [{"max_pixels": 90_000_000}, {"max_pixels": 0}, {"min_side": 0}, {"max_side": 8}, {"max_bytes": 0}]
)
def test_limits_that_cannot_be_kept_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"make no sense|max_pixels must be"):
        DecodeLimits(**wrong)


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """By the EXIF table: where the stored first row and first column belong."""
    turns = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored),
    }
    return turns[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["png", "tiff", "webp"])
def test_exif_orientation_is_applied(format_name: str, orientation: int) -> None:
    lossless = {"lossless": True} if format_name == "webp" else {}
    picture = decode(rotated(format_name, orientation, part(), **lossless), SMALL)
    np.testing.assert_array_equal(picture.pixels, upright(part(), orientation))
    assert (picture.height, picture.width) == picture.pixels.shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_equals_the_plain_one_turned(orientation: int) -> None:
    plain = decode(encoded(part(), "jpeg"), UNSCALED).pixels
    picture = decode(rotated("jpeg", orientation, part()), UNSCALED)
    np.testing.assert_array_equal(picture.pixels, upright(plain, orientation))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_unknown_to_exif_is_upright(orientation: int) -> None:
    picture = decode(rotated("png", orientation, part()), SMALL)
    np.testing.assert_array_equal(picture.pixels, part())


def decoded_size(width: int, height: int, margin: int, orientation: int = 1) -> tuple[int, int, int, int]:
    spec = InputSpec(height=32, width=64, jpeg_scale_margin=margin)
    picture = decode(rotated("jpeg", orientation, part(width, height)), spec)
    return (*picture.pixels.shape[1::-1], picture.width, picture.height)


@pytest.mark.parametrize(
    ("width", "height", "margin", "scale"),
    [
        (1024, 512, 2, 8),
        (1024, 511, 2, 4),
        (1023, 512, 2, 4),
        (512, 256, 2, 4),
        (256, 128, 2, 2),
        (255, 128, 2, 1),
        (512, 256, 1, 8),
        (1024, 512, 0, 1),
        (4096, 512, 2, 8),
    ],
)
def test_jpeg_scale_is_the_strongest_that_keeps_the_margin(width: int, height: int, margin: int, scale: int) -> None:
    assert decoded_size(width, height, margin) == (-(-width // scale), -(-height // scale), width, height)


def test_jpeg_scale_counts_the_sides_of_the_upright_picture() -> None:
    assert decoded_size(512, 1024, 2, orientation=6) == (128, 64, 1024, 512)
    assert decoded_size(1024, 512, 2, orientation=6) == (128, 256, 512, 1024)  # counted as stored it would be 1/8


def test_a_scaled_jpeg_gives_nearly_the_input_of_the_whole_one() -> None:
    data = encoded(part(1024, 1024), "jpeg", quality=95)
    scaled, whole = decode(data, SMALL), decode(data, UNSCALED)
    assert scaled.pixels.shape == (128, 128, 3)
    difference = resize_to_input(scaled.image, SMALL).astype(int) - resize_to_input(whole.image, SMALL)
    assert np.abs(difference).max() <= 4


def test_decoding_twice_gives_the_same_bits() -> None:
    data = encoded(part(600, 400), "jpeg")
    np.testing.assert_array_equal(decode(data, SMALL).pixels, decode(data, SMALL).pixels)


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "tiff"])
def test_a_grey_picture_stays_one_channel(kind: str) -> None:
    picture = decode(saved(Image.fromarray(part()).convert("L"), kind), SMALL)
    assert (picture.image.mode, picture.pixels.shape) == ("L", part().shape)


def test_pixels_cannot_be_written_to() -> None:
    picture: Picture = decode(encoded(part(), "jpeg"), SMALL)
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_common_pixel_type_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(part()).convert(mode)
    np.testing.assert_array_equal(decode(saved(image, "png"), SMALL).pixels, np.asarray(image.convert("RGB")))


def test_the_module_imports_no_torch_and_makes_bomb_warnings_errors() -> None:
    program = (
        "import sys, warnings, detector.decode, detector.heatmap, detector.regions\n"
        "from PIL import Image\n"
        "assert 'torch' not in sys.modules\n"
        "try: warnings.warn('x', Image.DecompressionBombWarning)\n"
        "except Image.DecompressionBombWarning: print('raised')\n"
        "warnings.warn_explicit('odd tag', UserWarning, 'TiffImagePlugin.py', 1, module='PIL.TiffImagePlugin')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("raised\n", "")
