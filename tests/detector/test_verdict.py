"""judge: thresholds, equality and the number that decided."""

import math

import pytest

from detector.calibration import Calibration
from detector.errors import ScoreNotFinite
from detector.verdict import Verdict, judge


def calibration(review_above: float = 1.0, ng_above: float = 2.0) -> Calibration:
    return Calibration(
        revision=1,
        promise=0.05,
        review_rate=0.05,
        ng_above=ng_above,
        review_above=review_above,
        map_floor=0.0,
        scores=(0.5,),
    )


@pytest.mark.parametrize(
    ("score", "verdict", "decided_by"),
    [
        (-5.0, Verdict.OK, 1.0),
        (1.0, Verdict.OK, 1.0),
        (math.nextafter(1.0, 2), Verdict.REVIEW, 1.0),
        (2.0, Verdict.REVIEW, 1.0),
        (math.nextafter(2.0, 3), Verdict.NG, 2.0),
        (1e30, Verdict.NG, 2.0),
    ],
)
def test_a_score_equal_to_a_threshold_does_not_exceed_it(score: float, verdict: Verdict, decided_by: float) -> None:
    judgement = judge(score, calibration())
    assert (judgement.verdict, judgement.score, judgement.decided_by) == (verdict, score, decided_by)


def test_without_a_band_nothing_is_reviewed() -> None:
    flat = calibration(review_above=2.0)
    assert judge(2.0, flat).verdict is Verdict.OK
    assert judge(2.1, flat).verdict is Verdict.NG


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_gets_no_verdict(score: float) -> None:
    with pytest.raises(ScoreNotFinite, match="no verdict"):
        judge(score, calibration())


def test_verdicts_are_spelled_as_the_interface_says() -> None:
    assert [verdict.value for verdict in Verdict] == ["ok", "review", "ng"]
