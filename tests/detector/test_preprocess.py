"""resize_to_input: the shape, the filter and the whole footprint."""

import numpy as np
import pytest
from PIL import Image

from detector.preprocess import FILTERS, resize_to_input
from detector.spec import InputSpec, Resample
from tests.attacks.pictures import part


@pytest.mark.parametrize("size", [(48, 40), (32, 64), (500, 33), (17, 16)])
def test_any_picture_is_stretched_to_the_input(size: tuple[int, int]) -> None:
    resized = resize_to_input(Image.fromarray(part(*size)), InputSpec(height=32, width=64))
    assert (resized.shape, resized.dtype) == ((32, 64, 3), np.uint8)
    assert resized.flags.c_contiguous
    assert resized.flags.writeable


@pytest.mark.parametrize("resample", FILTERS)
def test_a_picture_of_the_input_size_is_left_alone(resample: Resample) -> None:
    pixels = part(64, 32)
    resized = resize_to_input(Image.fromarray(pixels), InputSpec(height=32, width=64, resample=resample))
    np.testing.assert_array_equal(resized, pixels)
    assert not np.shares_memory(resized, pixels)


def test_box_gives_the_mean_of_each_tile() -> None:
    pixels = part(128, 96)
    resized = resize_to_input(Image.fromarray(pixels), InputSpec(height=32, width=32, resample="box"))
    means = pixels.reshape(32, 3, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(resized - means).max() <= 1


def test_a_grey_picture_gives_what_its_colour_twin_gives() -> None:
    grey = Image.fromarray(part(300, 200)).convert("L")
    spec = InputSpec(height=48, width=32)
    np.testing.assert_array_equal(resize_to_input(grey, spec), resize_to_input(grey.convert("RGB"), spec))


@pytest.mark.parametrize("resample", FILTERS)
def test_a_small_defect_counts_alike_wherever_it_lies(resample: Resample) -> None:
    sums = []
    for at in range(500, 532):
        pixels = np.zeros((1024, 1024, 3), np.uint8)
        pixels[at - 8 : at + 8, at - 8 : at + 8] = 255
        sums.append(
            int(resize_to_input(Image.fromarray(pixels), InputSpec(height=64, width=64, resample=resample)).sum())
        )
    assert min(sums) > 0.7 * max(sums)


@pytest.mark.parametrize("resample", FILTERS)
def test_each_name_is_pillows_filter_without_a_reducing_step(resample: Resample) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    expected = Image.fromarray(pixels).resize((32, 48), Image.Resampling[resample.upper()], reducing_gap=None)
    resized = resize_to_input(Image.fromarray(pixels), InputSpec(height=48, width=32, resample=resample))
    np.testing.assert_array_equal(resized, np.asarray(expected))
