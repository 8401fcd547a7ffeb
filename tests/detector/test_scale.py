"""Edge response → mosaic scale (EAR 3.4)."""

import json
from pathlib import Path

import pytest
import torch

from detector.errors import CalibrationError
from detector.scale import LARGEST, SMALLEST, edge_response, estimate_mosaic_scale, nearest_power_of_two


def gaussian(sigma_x: float, sigma_y: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(-32.0, 32), torch.arange(-32.0, 32), indexing="ij")
    return torch.exp(-(x**2 / sigma_x**2 + y**2 / sigma_y**2) / 2).expand(1, 3, 64, 64)


def test_a_round_blob_responds_with_4_and_an_elongated_one_with_more() -> None:
    assert edge_response(gaussian(8, 8))[0, 0, 32, 32].item() == pytest.approx(4, abs=0.01)
    # curvatures 1/64 and 1/1024: (a + b)^2 / (a b)
    expected = (1 / 64 + 1 / 1024) ** 2 / (1 / 64 / 1024)
    assert edge_response(gaussian(8, 32))[0, 0, 32, 32].item() == pytest.approx(expected, rel=0.02)


def test_a_flat_place_has_no_response() -> None:
    assert edge_response(torch.full((1, 3, 8, 8), 0.5)).abs().max() == 0


def test_sharper_structure_asks_for_smaller_tiles() -> None:
    around_the_peak = torch.zeros(1, 1, 64, 64)
    around_the_peak[:, :, 28:37, 28:37] = 1
    round_blob = estimate_mosaic_scale(gaussian(16, 16), around_the_peak)
    assert estimate_mosaic_scale(gaussian(4, 30), around_the_peak) < round_blob == 32


@pytest.mark.parametrize(("tile", "power"), [(-7.0, 2), (2.9, 2), (3.1, 4), (8.0, 8), (25.0, 32), (900.0, 64)])
def test_the_nearest_power_of_two_stays_within_2_and_64(tile: float, power: int) -> None:
    assert nearest_power_of_two(tile) == power


def test_flat_pictures_give_no_estimate() -> None:
    with pytest.raises(CalibrationError, match="flat"):
        estimate_mosaic_scale(torch.full((2, 3, 32, 32), 0.5), torch.ones(2, 1, 32, 32))


def test_every_scale_of_ears_table_is_one_that_an_estimate_can_be() -> None:
    table = json.loads((Path(__file__).parents[2] / "docs/data/ear_table1.json").read_text())
    scales = [scale for kind in ("objects", "textures") for pair in table[kind].values() for scale in pair]
    assert len(scales) == 30
    assert all(nearest_power_of_two(scale) == scale for scale in scales)
    assert (min(scales), max(scales)) == (SMALLEST, LARGEST)
