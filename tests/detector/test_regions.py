"""find_regions: connected places above the threshold, in the picture's own pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from detector.regions import Region, find_regions


def spots(*places: tuple[slice | int, slice | int, float]) -> np.ndarray:
    """(8,16) of zeros with these rows, columns and values."""
    heatmap = np.zeros((8, 16), np.float32)
    for rows, columns, value in places:
        heatmap[rows, columns] = value
    return heatmap


def test_nothing_above_the_threshold_is_no_region() -> None:
    assert find_regions(spots(), 0.0, picture_width=160, picture_height=80) == ()


def test_boxes_and_areas_are_in_picture_pixels() -> None:
    heatmap = spots((slice(2, 4), slice(5, 8), 3.0), (2, 5, 4.0))
    expected = Region(x=50, y=20, width=30, height=20, area=600, peak=4.0)
    assert find_regions(heatmap, 1.0, picture_width=160, picture_height=80) == (expected,)


def test_diagonal_neighbours_are_one_region() -> None:
    (region,) = find_regions(spots((1, 1, 2.0), (2, 2, 3.0)), 1.0, picture_width=16, picture_height=8)
    assert region == Region(x=1, y=1, width=2, height=2, area=2, peak=3.0)


def test_the_worst_come_first_and_only_so_many() -> None:
    heatmap = spots((0, 0, 2.0), (4, 4, 5.0), (0, 10, 3.0))
    peaks = [region.peak for region in find_regions(heatmap, 1.0, picture_width=16, picture_height=8, limit=2)]
    assert peaks == [5.0, 3.0]


def test_equal_peaks_come_from_top_to_bottom() -> None:
    regions = find_regions(spots((6, 0, 2.0), (0, 9, 2.0)), 1.0, picture_width=16, picture_height=8)
    assert [(region.x, region.y) for region in regions] == [(9, 0), (0, 6)]


def test_a_value_equal_to_the_threshold_is_not_above_it() -> None:
    assert find_regions(spots((1, 1, 1.0)), 1.0, picture_width=16, picture_height=8) == ()


def test_a_threshold_is_not_rounded_to_the_precision_of_the_map() -> None:
    pixel = np.float32(0.1)  # 0.100000001490...
    (region,) = find_regions(spots((1, 1, float(pixel))), 0.1, picture_width=16, picture_height=8)
    assert region.peak == float(pixel)


def test_boxes_are_rounded_outwards() -> None:
    (region,) = find_regions(spots((3, 3, 2.0)), 1.0, picture_width=20, picture_height=10)
    assert region == Region(x=3, y=3, width=2, height=2, area=2, peak=2.0)  # 3.75 to 5.00 both ways


def test_a_picture_smaller_than_the_map_still_has_an_area() -> None:
    (region,) = find_regions(spots((7, 15, 2.0)), 1.0, picture_width=4, picture_height=3)
    assert region == Region(x=3, y=2, width=1, height=1, area=1, peak=2.0)


@pytest.mark.parametrize("size", [(16, 8), (1601, 799), (5, 3)])
@given(heatmap=arrays.arrays(np.float32, (8, 16), elements=st.floats(0, 2, width=32)))
@settings(deadline=None, max_examples=40)
def test_regions_cover_every_pixel_above_the_threshold_and_stay_inside(
    size: tuple[int, int], heatmap: np.ndarray
) -> None:
    width, height = size
    regions = find_regions(heatmap, 1.0, picture_width=width, picture_height=height, limit=1000)
    for row, column in np.argwhere(heatmap > 1.0):
        x, y = (column + 0.5) * width / 16, (row + 0.5) * height / 8
        assert any(r.x <= x <= r.x + r.width and r.y <= y <= r.y + r.height for r in regions)
    for r in regions:
        assert 0 <= r.x < r.x + r.width <= width
        assert 0 <= r.y < r.y + r.height <= height
        assert 1 <= r.area <= r.width * r.height
