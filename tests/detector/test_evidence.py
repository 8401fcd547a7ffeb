"""maps → standardise → fuse → smooth → reduce."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from detector.errors import CalibrationError
from detector.evidence.maps import residual_maps
from detector.evidence.reduce import fuse, reduce_to_score, smooth
from detector.evidence.standardise import FLOOR, Standardiser
from detector.spec import Reduce


def maps_of_good_parts(count: int = 20) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(count, 2, 6, 5, generator=random) * torch.linspace(1, 9, 30).view(6, 5)


def test_colour_residual_sees_what_the_gradients_do_not() -> None:
    gray, red = torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.5)
    red[:, 0] = 0.8
    msgms, l1 = residual_maps(red, gray, ("msgms", "l1"), scales=3)[0]
    assert msgms.max() < 1e-6
    assert l1.min() > 0.09


def test_statistics_per_location_equal_numpy() -> None:
    maps = maps_of_good_parts()
    standardiser = Standardiser("per-location", ("msgms", "l1"), height=6, width=5)
    standardiser.fit(maps.split(7))
    exact = maps.double().numpy()
    pooled = exact.var(axis=(0, 2, 3), keepdims=True)[0]
    deviation = np.sqrt(exact.var(axis=0, ddof=1) + FLOOR**2 * pooled)
    np.testing.assert_allclose(
        standardiser(maps).numpy(), (exact - exact.mean(axis=0)) / deviation, rtol=1e-4, atol=1e-5
    )


def test_pooled_statistics_make_each_map_zero_mean_and_unit_variance() -> None:
    maps = maps_of_good_parts()
    standardiser = Standardiser("pooled", ("msgms", "l1"), height=6, width=5)
    standardiser.fit([maps])
    standardised = standardiser(maps)
    torch.testing.assert_close(standardised.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-5, rtol=0)


def test_features_are_measured_by_their_own_place_already_and_only_pooled() -> None:
    maps = maps_of_good_parts()
    both, pooled = (Standardiser(kind, ("msgms", "encoder"), height=6, width=5) for kind in ("per-location", "pooled"))
    both.fit([maps])
    pooled.fit([maps])
    torch.testing.assert_close(both(maps)[:, 1], pooled(maps)[:, 1])
    assert not torch.allclose(both(maps)[:, 0], pooled(maps)[:, 0])


def test_standardising_by_nothing_changes_nothing() -> None:
    maps = maps_of_good_parts()
    standardiser = Standardiser("none", ("msgms", "l1"), height=6, width=5)
    standardiser.fit([maps])
    assert torch.equal(standardiser(maps), maps)


def test_one_good_picture_gives_no_statistics() -> None:
    with pytest.raises(CalibrationError, match="at least 2"):
        Standardiser("pooled", ("msgms", "l1"), height=6, width=5).fit([maps_of_good_parts(1)])


def test_fusing_takes_the_mean_or_the_highest() -> None:
    evidence = torch.tensor([[[[1.0]], [[5.0]]]])
    assert fuse(evidence, "mean", torch.ones(2) / 2).item() == 3
    assert fuse(evidence, "max", torch.ones(2) / 2).item() == 5


def test_smoothing_is_a_box_mean_over_the_pixels_that_exist() -> None:
    anomaly_map = torch.rand(1, 9, 11, dtype=torch.float64)
    inner = smooth(anomaly_map, 3)[0, 1:-1, 1:-1]
    np.testing.assert_allclose(inner.numpy(), uniform_filter(anomaly_map[0].numpy(), 3)[1:-1, 1:-1], atol=1e-12)
    assert smooth(torch.ones(1, 9, 11), 5).sub(1).abs().max() < 1e-6  # a zero border would darken the edge


@given(st.sampled_from(["max", "top-mean", "window-top-mean"]), st.floats(0.001, 1.0), st.integers(0, 10_000))
@settings(deadline=None, max_examples=50)
def test_a_score_never_exceeds_the_highest_pixel(rule: Reduce, fraction: float, seed: int) -> None:
    anomaly_map = torch.randn(4, 12, 10, generator=torch.Generator().manual_seed(seed))
    score = reduce_to_score(anomaly_map, rule, top_fraction=fraction, window=5)
    assert (score <= anomaly_map.amax(dim=(1, 2)) + 1e-6).all()


def test_top_mean_averages_the_stated_share() -> None:
    anomaly_map = torch.arange(100.0).view(1, 10, 10)
    assert reduce_to_score(anomaly_map, "top-mean", top_fraction=0.04).item() == pytest.approx(97.5)
