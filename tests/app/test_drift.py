"""What is monitored, what a report says, and whom it suspects."""

import re
from dataclasses import replace

import numpy as np
import pytest

from app.catalog import Served
from app.control_chart import HIGHEST_RATE, RejectChart
from app.drift import LEAST, WINDOW, Drift, diagnose
from app.health_chart import LEARN, HealthChart, Shifts
from app.image_health import ImageHealth
from app.ledger.past import LearnedRate, Past, PastPart
from app.score_distance import Distance
from app.stations import MOST, OTHER, Stations
from detector.calibration import Calibration
from detector.image_health import summarise
from tests.app.served import served

GOOD = ImageHealth(0.5, 0.2, 0.05, 0.0)
FAR, NEAR = Distance(9.0, 0.25, 0.9, 0.2), Distance(0.3, 0.25, 0.1, 0.2)


def part(score: float, station: str | None = None, *, revision: int = 1, seq: int = 0) -> PastPart:
    return PastPart(seq, station, score, revision, *vars(GOOD).values())


def add(drift: Drift, version: Served, station: str | None, *, score: float) -> None:
    """A good picture of this score, judged by the calibrated thresholds."""
    drift.add(version, version.manifest.calibration, part(score, station))


@pytest.fixture
def plate() -> Served:
    """Calibrated on scores 0.00 … 0.99, two of a hundred of which are rejected; health unknown."""
    return served([number / 100 for number in range(100)], promise=0.02)


@pytest.mark.parametrize(
    ("shifts", "distance", "cause"),
    [
        (Shifts(), None, "none"),
        (Shifts(), NEAR, "none"),  # one limit alone is chance, or too small to matter
        (Shifts(), FAR, "product"),
        (Shifts(mean=-1.1), None, "lamp"),
        (Shifts(mean=-0.6), None, "none"),
        (Shifts(mean=-0.6), FAR, "lamp"),
        (Shifts(mean=-1.1, contrast=1.2), None, "product"),
        (Shifts(sharpness=-1.1), None, "product"),
        (Shifts(mean=2.0, contrast=-1.5, saturated_share=1.5), FAR, "lamp"),
    ],
)
def test_the_lamp_is_what_scales_a_picture_and_everything_else_is_the_product(
    shifts: Shifts, distance: Distance | None, cause: str
) -> None:
    assert diagnose(distance, RejectChart(0.02, 0.02), shifts) == cause


def test_scores_are_compared_once_there_are_enough_and_only_those_of_good_judged_parts(plate: Served) -> None:
    drift = Drift(Stations(), {})
    for _ in range(LEAST - 1):
        add(drift, plate, "EL-1", score=0.5)
    add(drift, plate, "EL-1", score=9.0)
    assert drift.reports("plate")[0].scores is None
    for _ in range(WINDOW):
        add(drift, plate, "EL-1", score=0.5)
    (report,) = drift.reports("plate")
    assert report.scores is not None
    assert (report.scores.parts, report.parts, report.cause) == (WINDOW, LEAST + WINDOW, "product")
    assert "scores of good-judged parts" in report.reasons[0]


def test_stations_are_told_apart_and_those_beyond_the_limit_are_one(plate: Served) -> None:
    drift = Drift(Stations(), {})
    for number in range(MOST + 5):
        add(drift, plate, f"S{number}", score=0.5)
    add(drift, plate, None, score=0.5)
    reports = {report.station: report.parts for report in drift.reports("plate")}
    assert len(reports) == MOST + 2
    assert (reports[OTHER], reports[""], reports["S0"]) == (5, 1, 1)
    assert drift.reports("gear") == []


def test_another_version_begins_anew(plate: Served) -> None:
    drift = Drift(Stations(), {})
    add(drift, plate, None, score=0.5)
    add(drift, served([0.1, 0.2], version=2), None, score=0.1)
    (report,) = drift.reports("plate")
    assert (report.version, report.parts) == (2, 1)


def test_a_stated_reject_rate_is_the_normal_one_from_the_first_part(plate: Served) -> None:
    drift = Drift(Stations(), {"plate": 0.1})
    add(drift, plate, None, score=0.5)
    assert drift.reports("plate")[0].rejects.rate == 0.1


def other(plate: Served, ng_above: float, revision: int = 2) -> Calibration:
    return replace(plate.manifest.calibration, ng_above=ng_above, review_above=ng_above, revision=revision)


def test_other_thresholds_raise_no_alarm_by_themselves(plate: Served) -> None:
    drift, scores = Drift(Stations(), {"plate": 0.02}), np.random.default_rng(0).random(800)
    for score in scores[:400]:
        add(drift, plate, None, score=score)
    strict = other(plate, 0.6)  # rejects four of ten of the same parts
    for score in scores[400:]:
        drift.add(plate, strict, part(score, revision=2))
        (report,) = drift.reports("plate")
        assert (report.cause, report.reasons) == ("none", [])
    assert report.rejects.rate == pytest.approx(0.4, abs=0.05)


def test_what_rejects_more_under_other_thresholds_is_still_seen(plate: Served) -> None:
    drift, random = Drift(Stations(), {}), np.random.default_rng(0)
    for score in random.random(400):
        add(drift, plate, None, score=score)
    strict = other(plate, 0.9)
    for score in 0.3 + random.random(300):  # four of ten are rejected now, and one of ten was
        drift.add(plate, strict, part(score, revision=2))
    assert re.search(r"3\d.\d% of parts are rejected, 11.5% is normal here", drift.reports("plate")[0].reasons[-1])


def test_a_part_that_was_judged_by_thresholds_of_before_is_no_reject_of_these(plate: Served) -> None:
    drift = Drift(Stations(), {})
    drift.add(plate, other(plate, 0.5), part(0.9, revision=1))
    (report,) = drift.reports("plate")
    assert (report.parts, report.rejects.ewma) == (1, 0)


def test_what_was_restored_is_as_if_the_service_had_never_stopped(plate: Served) -> None:
    scores = np.random.default_rng(1).random(700)
    parts = [part(score, "EL-1", seq=number) for number, score in enumerate(scores, 1)]
    before, after = Drift(Stations(), {}), Drift(Stations(), {})
    for each in parts:
        before.add(plate, plate.manifest.calibration, each)
    for each in parts[-20:]:  # ten of which the ledger's answer has, too
        after.add(plate, plate.manifest.calibration, each)
    after.restore(plate, plate.manifest.calibration, Past(690, parts[:690], before.learned()))
    (one,), (two,) = before.reports("plate"), after.reports("plate")
    assert two.parts == 700
    assert (two.scores, two.pictures, two.cause) == (one.scores, one.pictures, one.cause)
    assert two.rejects.rate == one.rejects.rate
    assert two.rejects.ewma == pytest.approx(one.rejects.ewma, rel=0.01)  # 0.99^400 of the beginning is left


def test_a_rate_that_was_learned_is_not_learned_again_from_what_raised_the_alarm(plate: Served) -> None:
    drift, bad = Drift(Stations(), {}), [part(9.0, seq=number) for number in range(1, 501)]
    digest = plate.ref.digest
    drift.restore(plate, plate.manifest.calibration, Past(500, bad, [LearnedRate(digest, "", 1, 0.02, "")]))
    assert drift.reports("plate")[0].cause == "product"
    assert drift.learned() == []  # it is in the ledger
    drift.restore(plate, plate.manifest.calibration, Past(500, bad, [LearnedRate(digest, "", 2, 0.02, "")]))
    assert [rate.rate for rate in drift.learned()] == [HIGHEST_RATE]  # another revision's says nothing


def test_of_a_version_that_no_longer_serves_nothing_is_left(plate: Served) -> None:
    drift, second = Drift(Stations(), {}), served([0.1, 0.2], version=2)
    add(drift, plate, "EL-1", score=0.5)
    drift.restore(second, second.manifest.calibration, Past())
    assert drift.reports("plate") == []


def test_without_a_reference_the_first_pictures_are_one() -> None:
    chart = HealthChart(None)
    for _ in range(LEARN):
        assert chart.now is None
        chart.add(GOOD)
    assert vars(chart.now or GOOD) == pytest.approx(vars(GOOD))
    assert chart.now is not None
    for _ in range(40):
        chart.add(ImageHealth(0.4, 0.2, 0.05, 0.0))
    assert chart.shifts.mean < -1
    assert chart.shifts.contrast == pytest.approx(0, abs=1e-9)


def test_one_strange_picture_is_no_drift() -> None:
    chart = HealthChart(summarise([GOOD, ImageHealth(0.6, 0.21, 0.06, 0.001)]))
    chart.add(ImageHealth(1.0, 0.0, 1.0, 1.0))
    assert max(abs(shift) for shift in vars(chart.shifts).values()) < 0.2
