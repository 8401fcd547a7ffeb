"""Heatmaps for people: a scale that belongs to the product, and colours that hide nothing."""

import io

import numpy as np
import pytest
from PIL import Image

from detector.calibration import Calibration
from detector.heatmap import HeatmapScale, encode_png, overlay, to_gray8
from tests.attacks.pictures import part

SCALE = HeatmapScale(low=1.0, centre=3.0, high=5.0)


def flat(value: float) -> np.ndarray:
    return np.full((8, 8), value, np.float32)


def test_the_scale_is_centred_on_the_ng_threshold() -> None:
    calibration = Calibration(
        revision=1, promise=0.05, review_rate=0, ng_above=3.0, review_above=2.0, map_floor=1.0, scores=(1.0,)
    )
    assert HeatmapScale.of(calibration) == SCALE


def test_low_centre_and_high_are_0_128_and_255_and_beyond_is_clipped() -> None:
    values = np.array([[-9, 1, 2, 3, 4, 5, 99]], np.float32)
    assert to_gray8(values, SCALE).tolist() == [[0, 0, 64, 128, 192, 255, 255]]


def test_grey_never_says_that_a_pixel_above_the_threshold_is_below() -> None:
    scale = HeatmapScale(low=0.1, centre=0.3, high=0.5)
    values = np.linspace(0.1, 0.5, 1001, dtype=np.float32)[None]
    grey = to_gray8(values, scale)
    assert grey[values > 0.3].min() >= 128
    assert grey[values < 0.3].max() <= 128
    assert (np.diff(grey.astype(int)) >= 0).all()


def test_the_same_value_is_the_same_grey_in_every_picture() -> None:
    ordinary, extreme = flat(2.0), flat(2.0)
    extreme[0, 0] = 1e6
    assert to_gray8(ordinary, SCALE)[4, 4] == to_gray8(extreme, SCALE)[4, 4]


def test_a_good_part_is_shown_untouched() -> None:
    np.testing.assert_array_equal(overlay(part(), flat(2.0), SCALE), part())


@pytest.mark.parametrize(("value", "colour"), [(3.0, (230, 159, 0)), (5.0, (240, 228, 66)), (80.0, (240, 228, 66))])
def test_above_the_threshold_the_colour_covers_two_thirds(value: float, colour: tuple[int, int, int]) -> None:
    expected = 0.35 * part() + 0.65 * np.array(colour)
    assert np.abs(overlay(part(), flat(value), SCALE) - expected).max() <= 2


def test_colour_fades_in_below_the_threshold() -> None:
    change = [np.abs(overlay(part(), flat(v), SCALE).astype(int) - part()).mean() for v in (2.0, 2.3, 2.7, 3.0)]
    assert change[0] == 0
    assert change == sorted(change)


def test_colours_grow_brighter_with_the_anomaly_so_grey_print_keeps_them() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    luminance = [(overlay(black, flat(v), SCALE) @ [0.2126, 0.7152, 0.0722]).mean() for v in np.linspace(2, 5, 30)]
    assert (np.diff(luminance) >= 0).all()


def test_the_heatmap_is_laid_over_the_place_it_came_from() -> None:
    heatmap = flat(1.0)
    heatmap[1, 6] = 5.0
    black = np.zeros((40, 80, 3), np.uint8)
    rows, columns = np.nonzero(overlay(black, heatmap, SCALE).any(axis=2))
    assert (abs(rows.mean() - 7.0) < 1, abs(columns.mean() - 64.5) < 1) == (True, True)  # middle of that cell


def test_between_two_cells_the_colour_changes_gradually() -> None:
    heatmap = flat(1.0)
    heatmap[:, 4:] = 5.0
    row = overlay(np.zeros((64, 64, 3), np.uint8), heatmap, SCALE)[32, :, 0].astype(int)
    assert len(set(row)) > 3
    assert (np.diff(row) >= 0).all()


@pytest.mark.parametrize("pixels", [part(), part()[..., 0].copy()], ids=["rgb", "grey"])
def test_png_gives_back_every_pixel(pixels: np.ndarray) -> None:
    data = encode_png(pixels)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
