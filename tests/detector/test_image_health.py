"""Four numbers of a picture, and what moves each of them."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from detector import image_health
from detector.errors import CalibrationError
from detector.image_health import ImageHealth, summarise

Picture = npt.NDArray[np.uint8]


def measure(pixels: Picture) -> ImageHealth:
    return image_health.measure(Image.fromarray(pixels))


@pytest.fixture
def picture() -> Picture:
    """A textured part between 40 and 200."""
    random = np.random.default_rng(7)
    texture = gaussian_filter(random.normal(size=(300, 420)), 1.5)
    texture = (texture - texture.min()) / np.ptp(texture)
    return np.repeat((40 + 160 * texture).astype(np.uint8)[..., None], 3, axis=2)


def test_a_fading_lamp_moves_the_mean_and_nothing_else(picture: Picture) -> None:
    before, after = measure(picture), measure((picture * 0.7).astype(np.uint8))
    assert after.mean == pytest.approx(0.7 * before.mean, rel=0.01)
    assert (after.contrast, after.sharpness) == pytest.approx((before.contrast, before.sharpness), rel=0.05)


def test_a_blurred_lens_moves_sharpness_and_not_the_mean(picture: Picture) -> None:
    blurred = gaussian_filter(picture.astype(float), (2, 2, 0)).astype(np.uint8)
    before, after = measure(picture), measure(blurred)
    assert after.sharpness < 0.6 * before.sharpness
    assert after.mean == pytest.approx(before.mean, abs=0.01)


def test_the_clipped_share_is_that_of_the_pixels_with_any_clipped_channel() -> None:
    half = np.full((100, 100, 3), 90, np.uint8)
    half[:50, :, 0] = 255
    assert measure(half).saturated_share == pytest.approx(0.5, abs=0.02)


def test_noise_is_as_rough_as_it_can_be_and_a_ramp_is_smooth() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 1), np.uint8).repeat(3, axis=2)
    ramp = np.linspace(0, 255, 400).astype(np.uint8)[None, :, None] * np.ones((400, 1, 3), np.uint8)
    assert measure(noise).sharpness == pytest.approx(1, abs=0.05)
    assert measure(ramp).sharpness < 0.01


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_level_has_neither_contrast_nor_sharpness(level: int) -> None:
    flat = measure(np.full((20, 20, 3), level, np.uint8))
    assert replace(flat, mean=0.0, saturated_share=0.0) == ImageHealth(0.0, 0.0, 0.0, 0.0)


def test_a_large_picture_is_measured_from_samples_as_the_whole_would_be(picture: Picture) -> None:
    large = np.tile(picture, (4, 4, 1))
    level = large[..., 0] / 255
    assert measure(large).mean == pytest.approx(level.mean(), rel=0.02)
    assert measure(large).contrast == pytest.approx(level.std() / level.mean(), rel=0.05)


def test_a_grey_picture_is_as_healthy_as_its_colour_twin(picture: Picture) -> None:
    assert measure(picture[..., 0]) == measure(picture)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (127, 128), (129, 128), (300, 421), (1000, 255)])
def test_samples_are_the_pixels_of_an_even_grid(height: int, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    down, along = (-(-side // image_health.GRID) for side in (height, width))
    expected = pixels[: height - 1 : down, 1:width:along]
    np.testing.assert_array_equal(image_health._sample(Image.fromarray(pixels), right=1, down=0), expected)


def test_a_reference_is_the_mean_and_spread_of_its_pictures() -> None:
    reference = summarise([ImageHealth(0.4, 0.2, 0.1, 0.0), ImageHealth(0.6, 0.2, 0.1, 0.0)])
    assert reference.centre.mean == pytest.approx(0.5)
    assert reference.spread.mean == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert summarise([reference.centre]).spread == ImageHealth(0.0, 0.0, 0.0, 0.0)


def test_no_pictures_make_no_reference() -> None:
    with pytest.raises(CalibrationError):
        summarise([])
