"""What is minimised."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.reference import maths
from training.losses import pairwise_loss, reconstruction_loss, regression_loss, relative_loss, riad_loss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def test_the_three_terms_are_averaged_and_amplified_by_lamp() -> None:
    pictures, reconstructions = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    plain = reconstruction_loss(pictures, reconstructions, lamp=False)
    assert plain.total.item() == pytest.approx((plain.l2 + plain.ssim + plain.msgms).item() / 3, abs=1e-6)
    amplified = reconstruction_loss(pictures, reconstructions, lamp=True)
    assert amplified.total.item() == pytest.approx(-math.log(1 - plain.total.item()), abs=1e-6)


def test_lamp_is_finite_for_the_worst_reconstruction_there_is() -> None:
    checkers = (torch.arange(32).view(-1, 1) + torch.arange(32)).remainder(2).float().expand(1, 3, 32, 32)
    loss = reconstruction_loss(checkers, 1 - checkers, lamp=True)
    assert torch.isfinite(loss.total)
    assert max(loss.l2.item(), loss.ssim.item(), loss.msgms.item()) <= 1


def test_a_perfect_reconstruction_costs_nothing() -> None:
    pictures = torch.rand(2, 3, 32, 32)
    assert reconstruction_loss(pictures, pictures.clone(), lamp=True).total.item() == pytest.approx(0, abs=1e-6)


def test_riads_loss_is_the_plain_sum_over_four_scales() -> None:
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    pairs = list(zip(a[0].double().numpy(), b[0].double().numpy(), strict=True))
    l2 = np.mean([(x - y) ** 2 for x, y in pairs])
    ssim = 1 - np.mean([1 - 2 * maths.ssim_distance(x, y) for x, y in pairs])
    msgms = np.mean([maths.msgms_distance(x, y, 4) for x, y in pairs])
    assert riad_loss(a, b).total.item() == pytest.approx(l2 + ssim + msgms, rel=1e-4)


def test_relative_loss_equals_the_sum_over_all_pairs() -> None:
    predicted, errors = torch.randn(1, 9), torch.rand(1, 9)
    errors[0, 3] = errors[0, 4]  # a tie counts for nothing
    expected = maths.relative_loss(predicted[0].double().numpy(), errors[0].double().numpy())
    assert relative_loss(predicted, errors).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("count", [8, 9])
def test_pairwise_loss_equals_the_mean_over_the_pairs(count: int) -> None:
    predicted, errors = torch.randn(1, count), torch.rand(1, count)
    errors[0, 0] = errors[0, -1]  # a tie counts for nothing
    expected = maths.pairwise_loss(predicted[0].double().numpy(), errors[0].double().numpy())
    assert pairwise_loss(predicted, errors).item() == pytest.approx(expected, rel=1e-5)


def test_regression_loss_equals_the_distance_to_standardised_errors() -> None:
    predicted, errors = torch.randn(2, 9), torch.rand(2, 9)
    rows = zip(predicted.double().numpy(), errors.double().numpy(), strict=True)
    expected = np.mean([maths.regression_loss(*row) for row in rows])
    assert regression_loss(predicted, errors).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [relative_loss, pairwise_loss, regression_loss])
def test_the_right_order_costs_less_than_the_wrong_one(loss: Loss) -> None:
    errors = torch.arange(6.0).view(1, 6)
    assert loss(errors, errors) < loss(-errors, errors)


@pytest.mark.parametrize("loss", [relative_loss, pairwise_loss])
def test_equal_errors_give_no_ranking_and_no_nan(loss: Loss) -> None:
    assert loss(torch.randn(2, 5), torch.ones(2, 5)).item() == 0


def test_equal_errors_have_a_finite_regression() -> None:
    assert torch.isfinite(regression_loss(torch.randn(2, 5), torch.ones(2, 5)))
