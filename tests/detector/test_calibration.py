"""Thresholds from good scores: against counting, and against the promise itself."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.calibration import Calibration, calibrate, conformal_quantile, images_needed, smallest_promise
from detector.errors import CalibrationError, PromiseTooSmall
from tests.reference import conformal

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
RATES = st.integers(1, 999).map(lambda thousandths: thousandths / 1000)


@given(SCORES, RATES)
@settings(deadline=None, max_examples=200)
def test_quantile_is_what_counting_gives(scores: list[float], rate: float) -> None:
    expected = conformal.quantile(scores, Fraction(str(rate)))
    assume(expected is not None)
    assert expected is not None
    got = conformal_quantile(sorted(scores), rate)
    assert got == expected


@given(SCORES, RATES)
@settings(deadline=None, max_examples=100)
def test_a_promise_is_refused_exactly_when_no_score_keeps_it(scores: list[float], rate: float) -> None:
    assume(conformal.quantile(scores, Fraction(str(rate))) is None)
    with pytest.raises(PromiseTooSmall, match=f"{len(scores)} good images"):
        conformal_quantile(sorted(scores), rate)


@pytest.mark.parametrize(("count", "promise"), [(19, 0.05), (50, 0.05), (99, 0.01), (30, 0.1)])
def test_the_promise_is_kept_on_average_and_not_wasted(count: int, promise: float) -> None:
    trials = 20_000
    scores = conformal.draws(seed=7, trials=trials, count=count + 1)
    good, new = np.sort(scores[:, :-1], axis=1), scores[:, -1]
    rejected = np.mean([new[i] > conformal_quantile(good[i].tolist(), promise) for i in range(trials)])
    noise = 4 * np.sqrt(promise / trials)  # four standard errors
    assert rejected <= promise + noise
    assert rejected >= promise - 1 / (count + 1) - noise


def test_nineteen_images_are_enough_for_one_in_twenty() -> None:
    assert conformal_quantile(list(range(19)), 0.05) == 18
    with pytest.raises(PromiseTooSmall, match=r"5\.26% at best, not 5\.00%; 19 would do"):
        conformal_quantile(list(range(18)), 0.05)


@pytest.mark.parametrize(("count", "rate", "rank"), [(249, 0.172, 207), (149, 0.18, 123)])
def test_a_rate_is_the_decimal_that_was_written(count: int, rate: float, rank: int) -> None:
    assert conformal_quantile(list(range(1, count + 1)), rate) == rank  # in floats the rank would be one more


@given(RATES)
@settings(deadline=None, max_examples=100)
def test_images_needed_is_the_least_that_will_do(rate: float) -> None:
    count = images_needed(rate)
    assert count == conformal.images_needed(Fraction(str(rate)))
    assert conformal_quantile([0.0] * count, rate) == 0.0


@given(st.integers(1, 5000))
@settings(deadline=None, max_examples=100)
def test_a_promise_of_one_in_n_plus_1_needs_n_images(count: int) -> None:
    assert smallest_promise(count) == 1 / (count + 1)
    assert abs(images_needed(smallest_promise(count)) - count) <= 1  # 1/(n+1) is rounded to a float


def test_calibrate_sets_both_thresholds_and_keeps_the_scores() -> None:
    shuffled = np.random.default_rng(0).permutation(np.arange(99.0)).tolist()
    calibration = calibrate(shuffled, promise=0.05, review_rate=0.1, map_floor=-3.0)
    assert (calibration.ng_above, calibration.review_above) == (94.0, 84.0)
    assert calibration.scores == tuple(range(99))
    assert (calibration.revision, calibration.promise, calibration.review_rate) == (1, 0.05, 0.1)


def test_without_a_review_rate_there_is_no_band() -> None:
    calibration = calibrate(range(1, 40), promise=0.05, review_rate=0.0, map_floor=0.0)
    assert calibration.review_above == calibration.ng_above


@pytest.mark.parametrize(("promise", "review_rate"), [(0.0, 0.1), (1.0, 0.0), (-0.1, 0.0), (0.5, 0.5), (0.1, -0.1)])
def test_rates_that_make_no_sense_are_refused(promise: float, review_rate: float) -> None:
    with pytest.raises(CalibrationError, match="promise"):
        calibrate(range(100), promise=promise, review_rate=review_rate, map_floor=0.0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(CalibrationError, match="finite"):
        calibrate([*range(1, 40), wrong], promise=0.05, review_rate=0.0, map_floor=0.0)


def test_no_scores_at_all_are_too_few() -> None:
    empty: Sequence[float] = ()
    with pytest.raises(PromiseTooSmall):
        calibrate(empty, promise=0.05, review_rate=0.05, map_floor=0.0)


def hand_made(ng_above: float, review_above: float, map_floor: float) -> Calibration:
    return Calibration(
        revision=2,
        promise=0.05,
        review_rate=0.0,
        ng_above=ng_above,
        review_above=review_above,
        map_floor=map_floor,
        scores=(1.0,),
    )


@pytest.mark.parametrize(
    ("thresholds", "reason"),
    [((1.0, 1.1, 0.0), "review threshold"), ((1.0, 1.0, 1.0), "map floor"), ((float("nan"), 1.0, 0.0), "finite")],
)
def test_numbers_that_contradict_each_other_are_refused(thresholds: tuple[float, float, float], reason: str) -> None:
    with pytest.raises(CalibrationError, match=reason):
        hand_made(*thresholds)
