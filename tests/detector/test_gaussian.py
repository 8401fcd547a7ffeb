"""Features as evidence: distance from the features of good parts, place by place."""

from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch

from detector.build import build_detector
from detector.errors import CalibrationError, SpecError
from detector.evidence.features import to_grid
from detector.evidence.gaussian import RIDGE, GaussianField
from detector.evidence.nearest import NearestField
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, Statistics, UNetSpec
from tests.reference import maths

CHANNELS, SIDE = 152, 32  # of MobileNetV2 on 256 px: how a product is summed depends on its size
EXACT = FeatureSpec(levels=(0,), dimensions=3, shrinkage=0.0)


def good_grids(count: int = 60) -> torch.Tensor:
    """Three correlated channels on a 2x3 grid, each place at its own level."""
    random = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.7]])
    grids = torch.einsum("ncij,cd->ndij", torch.randn(count, 3, 2, 3, generator=random), mix)
    return grids + torch.arange(6.0).view(2, 3)


def fitted(spec: FeatureSpec, grids: torch.Tensor) -> GaussianField:
    field = GaussianField(spec, channels=grids.shape[1], rows=2, columns=3)
    field.fit([grids], grids.split(7))
    return field


def test_distances_equal_numpy() -> None:
    grids = good_grids()
    field = fitted(EXACT, grids)
    expected = maths.mahalanobis(grids.double().numpy(), grids.double().numpy(), ridge=RIDGE)
    np.testing.assert_allclose(field(grids).numpy(), expected, rtol=5e-3)  # the whitener is in half precision


def test_good_parts_lie_about_one_away_and_a_broken_one_further_where_it_is_broken() -> None:
    grids = good_grids()
    field, broken = fitted(EXACT, grids), grids[:1].clone()
    broken[..., 1, 2] += 5
    assert field(grids).square().mean().item() == pytest.approx(1, abs=0.1)
    distances = field(broken)[0]
    assert distances.argmax().item() == 5
    assert distances[1, 2] > 2.5


def test_pooled_statistics_do_not_know_where_a_part_lies() -> None:
    grids = good_grids() - torch.arange(6.0).view(2, 3)
    field = fitted(FeatureSpec(levels=(0,), dimensions=3, statistics="pooled"), grids)
    moved = grids.flip(-1)
    torch.testing.assert_close(field(moved), field(grids).flip(-1))
    assert field.whitener.shape == (1, 3, 3)


def test_a_part_that_has_more_of_everything_is_no_further_away_where_surroundings_are_divided_by() -> None:
    grids = good_grids() - torch.arange(6.0).view(2, 3)
    plain, divided = (fitted(FeatureSpec(levels=(0,), dimensions=3, surround=side), grids) for side in (0, 3))
    centred = grids - grids.mean(dim=(0, 2, 3), keepdim=True)
    louder = grids + 4 * centred
    assert (plain(louder) / plain(grids)).median() > 4
    assert (divided(louder) / divided(grids)).median() < 1.5


def test_more_places_than_fit_into_a_cache_are_each_measured_by_their_own_distribution() -> None:
    random = torch.Generator().manual_seed(0)
    field = GaussianField(EXACT, channels=3, rows=8, columns=9)
    field.mean.copy_(torch.randn(72, 3, generator=random))
    field.whitener.copy_(torch.randn(72, 3, 3, generator=random))
    grid = torch.randn(2, 3, 8, 9, generator=random)
    white = torch.einsum("npd,pde->npe", grid.flatten(2).mT - field.mean, field.whitener.float())
    torch.testing.assert_close(field(grid), white.square().mean(dim=-1).sqrt().view(2, 8, 9))


def test_fewer_directions_than_channels_keep_the_strongest() -> None:
    field = fitted(FeatureSpec(levels=(0,), dimensions=2), good_grids())
    assert field.directions.shape == (3, 2)
    assert torch.isfinite(field(good_grids())).all()


def test_a_channel_that_never_varies_divides_by_nothing() -> None:
    grids = good_grids()
    grids[:, 1] = 4
    assert torch.isfinite(fitted(EXACT, grids)(grids)).all()


def test_one_good_picture_gives_no_distribution() -> None:
    with pytest.raises(CalibrationError, match="at least 2"):
        fitted(EXACT, good_grids(1))


def test_a_channel_that_wakes_up_in_later_pictures_leaves_the_others_their_say() -> None:
    quiet, awake = good_grids(), good_grids()
    quiet[:, 1] = 4
    field = GaussianField(EXACT, channels=3, rows=2, columns=3)
    field.fit([quiet], awake.split(7))
    assert torch.isfinite(field(awake)).all()


def test_a_place_that_never_varies_fits_into_half_precision() -> None:
    grids = good_grids()
    grids[:, :, 0, 0] = 0
    field = fitted(EXACT, grids)
    assert torch.isfinite(field.whitener).all()
    assert torch.isfinite(field(grids + 1)).all()


def test_features_that_are_no_numbers_have_no_distribution() -> None:
    with pytest.raises(CalibrationError, match="no distribution"):
        fitted(EXACT, good_grids() * float("nan"))


def test_fine_maps_are_averaged_and_coarse_ones_enlarged() -> None:
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    grid = to_grid([fine, torch.full((1, 2, 1, 1), 7.0)], 2, 2)
    assert grid.shape == (1, 3, 2, 2)
    assert grid[0, 0].flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert (grid[0, 1:] == 7).all()


def test_evidence_of_the_encoder_needs_no_weights_from_elsewhere() -> None:
    spec = DetectorSpec(
        input=InputSpec(height=32, width=32),
        unet=UNetSpec(widths=(4, 8, 8)),
        fader=None,
        evidence=EvidenceSpec(maps=("encoder",), encoder=FeatureSpec(levels=(0, 2), stride=8)),
    )
    detector = build_detector(spec)
    anomaly = detector(torch.rand(2, 3, 32, 32))
    assert anomaly.heatmap.shape == (2, 32, 32)
    assert detector.evidence.fields["encoder"].centre.shape == (12,)


def test_evidence_from_a_backbone_or_a_depth_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="needs one"):
        DetectorSpec(evidence=EvidenceSpec(maps=("backbone",)))
    with pytest.raises(SpecError, match="0 to 3"):
        DetectorSpec(evidence=EvidenceSpec(maps=("encoder",), encoder=FeatureSpec(levels=(4,))))


@pytest.mark.parametrize("statistics", get_args(Statistics))
@pytest.mark.parametrize("count", range(2, 9))
def test_not_a_bit_of_a_distance_depends_on_the_pictures_beside_it(statistics: Statistics, count: int) -> None:
    field = large_field(statistics)
    grids = torch.randn(count, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(count))
    together = field(grids)
    for place, grid in enumerate(grids):
        assert torch.equal(together[place], field(grid[None])[0])


@cache
def large_field(statistics: Statistics) -> GaussianField | NearestField:
    spec = FeatureSpec(levels=(0,), stride=8, dimensions=100, statistics=statistics, surround=9, bank=100)
    make = NearestField if statistics == "nearest" else GaussianField
    field = make(spec, channels=CHANNELS, rows=SIDE, columns=SIDE)
    random = torch.Generator().manual_seed(0)
    for buffer in field.buffers():
        buffer.copy_(torch.randn(buffer.shape, generator=random))
    return field
