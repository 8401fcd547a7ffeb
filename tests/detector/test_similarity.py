"""MSGMS and SSIM distance maps against slow NumPy versions."""

import numpy as np
import pytest
import torch

from detector.msgms import msgms_distance
from detector.ssim import ssim_distance
from tests.reference import maths


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.rand(1, 2, 16, 20, generator=random), torch.rand(1, 2, 16, 20, generator=random)


def test_one_scale_equals_the_definition(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (side[0].double().numpy() for side in pair)
    expected = np.mean([maths.gms_distance(a[c], b[c]) for c in range(2)], axis=0)
    np.testing.assert_allclose(msgms_distance(*pair, 1)[0].numpy(), expected, atol=1e-5)


def test_ssim_distance_equals_the_definition(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (side[0].double().numpy() for side in pair)
    expected = np.mean([maths.ssim_distance(a[c], b[c]) for c in range(2)], axis=0)
    np.testing.assert_allclose(ssim_distance(*pair)[0].numpy(), expected, atol=1e-5)


def test_equal_pictures_have_no_distance() -> None:
    picture = torch.rand(1, 3, 32, 32)
    assert msgms_distance(picture, picture).abs().max() < 1e-6
    assert ssim_distance(picture, picture).abs().max() < 1e-5


def test_a_flat_shift_of_brightness_makes_no_false_edge_at_the_border() -> None:
    dark, bright = torch.full((1, 3, 32, 32), 0.2), torch.full((1, 3, 32, 32), 0.8)
    assert msgms_distance(dark, bright).max() < 1e-6


def test_msgms_is_the_mean_over_scales_and_stays_within_0_and_1(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    distance = msgms_distance(*pair, 3)
    assert distance.shape == (1, 16, 20)
    assert 0 <= distance.min() < distance.max() <= 1


def test_flat_pictures_have_a_finite_gradient() -> None:
    reconstruction = torch.zeros(1, 3, 16, 16, requires_grad=True)
    msgms_distance(torch.zeros(1, 3, 16, 16), reconstruction).sum().backward()  # type: ignore[no-untyped-call]
    assert reconstruction.grad is not None
    assert torch.isfinite(reconstruction.grad).all()
