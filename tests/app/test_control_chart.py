"""Charts of single parts: quiet while nothing changes, and not for long once something has."""

import math

import numpy as np
import pytest

from app.control_chart import CUSUM_LIMIT, CUSUM_TOP, LEARN, REJECT_SIGMAS, REJECT_WEIGHT, RejectChart


def run(chart: RejectChart, rate: float, parts: int, seed: int = 0) -> int | None:
    """After how many of `parts`, rejected at `rate`, the chart is first out; None where it never is."""
    for part, is_rejected in enumerate(np.random.default_rng(seed).random(parts) < rate):
        chart.add(bool(is_rejected))
        if chart.is_out:
            return part
    return None


def test_a_rate_three_times_the_normal_one_is_seen_within_some_hundred_parts() -> None:
    delays = [run(RejectChart(0.02, 0.02), 0.058, 2000, seed) for seed in range(20)]
    assert all(delay is not None for delay in delays)
    assert np.mean([delay for delay in delays if delay is not None]) < 400


def test_the_ewma_runs_ten_thousand_parts_between_false_alarms_at_two_per_cent() -> None:
    random, rate, runs, horizon = np.random.default_rng(3), 0.02, 400, 3000
    limit = RejectChart(rate, rate).ewma_limit
    assert limit is not None
    level, alarmed = np.full(runs, rate), np.zeros(runs, bool)
    for _ in range(horizon):
        level += REJECT_WEIGHT * ((random.random(runs) < rate) - level)
        alarmed |= level > limit
    assert alarmed.mean() < horizon / 10_000


def test_the_control_limit_is_the_textbook_one() -> None:
    sigma = math.sqrt(0.05 * 0.95 * REJECT_WEIGHT / (2 - REJECT_WEIGHT))
    assert RejectChart(0.01, 0.05).ewma_limit == pytest.approx(0.05 + REJECT_SIGMAS * sigma)


def test_the_cusum_adds_log_likelihood_ratios_and_never_falls_below_zero() -> None:
    chart = RejectChart(0.1, 0.1)
    chart.add(False)
    assert chart.cusum == 0
    chart.add(True)
    assert chart.cusum == pytest.approx(math.log(0.25 / 0.1))  # odds 3 x 1/9 = 1/3, a rate of 1/4


def test_a_cause_that_was_removed_is_soon_no_alarm_any_more() -> None:
    chart = RejectChart(0.02, 0.02)
    run(chart, 1.0, 500)
    for _ in range(500):
        chart.add(True)
    assert chart.cusum == CUSUM_TOP
    for _ in range(600):
        chart.add(False)
    assert chart.cusum < CUSUM_LIMIT
    assert not chart.is_out


def test_the_normal_rate_is_learned_where_nobody_states_it_and_is_the_promise_at_least() -> None:
    chart, lucky = RejectChart(0.02, None), RejectChart(0.02, None)
    for part in range(LEARN):
        assert not chart.is_out
        chart.add(part % 10 == 0)
        lucky.add(False)
    assert chart.rate == pytest.approx(0.1, abs=0.002)
    assert lucky.rate == 0.02
