"""What is monitored, what a report says, and whom it suspects."""

import pytest

from app.catalog import Served
from app.control_chart import RejectChart
from app.drift import LEAST, WINDOW, Drift, diagnose
from app.health_chart import LEARN, HealthChart, Shifts
from app.image_health import ImageHealth
from app.score_distance import Distance
from app.stations import MOST, OTHER, Stations
from detector.image_health import summarise
from tests.app.served import served

GOOD = ImageHealth(0.5, 0.2, 0.05, 0.0)
FAR, NEAR = Distance(9.0, 0.25, 0.9, 0.2), Distance(0.3, 0.25, 0.1, 0.2)


@pytest.fixture
def plate() -> Served:
    """Calibrated on scores 0.00 … 0.99; health unknown."""
    return served([number / 100 for number in range(100)])


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
        drift.add(plate, "EL-1", score=0.5, verdict="ok", health=GOOD)
    drift.add(plate, "EL-1", score=9.0, verdict="ng", health=GOOD)
    assert drift.reports("plate")[0].scores is None
    for _ in range(WINDOW):
        drift.add(plate, "EL-1", score=0.5, verdict="ok", health=GOOD)
    (report,) = drift.reports("plate")
    assert report.scores is not None
    assert (report.scores.parts, report.parts, report.cause) == (WINDOW, LEAST + WINDOW, "product")
    assert "scores of good-judged parts" in report.reasons[0]


def test_stations_are_told_apart_and_those_beyond_the_limit_are_one(plate: Served) -> None:
    drift = Drift(Stations(), {})
    for number in range(MOST + 5):
        drift.add(plate, f"S{number}", score=0.5, verdict="ok", health=GOOD)
    drift.add(plate, None, score=0.5, verdict="ok", health=GOOD)
    reports = {report.station: report.parts for report in drift.reports("plate")}
    assert len(reports) == MOST + 2
    assert (reports[OTHER], reports[""], reports["S0"]) == (5, 1, 1)
    assert drift.reports("gear") == []


def test_another_version_begins_anew(plate: Served) -> None:
    drift = Drift(Stations(), {})
    drift.add(plate, None, score=0.5, verdict="ok", health=GOOD)
    drift.add(served([0.1, 0.2], version=2), None, score=0.5, verdict="ok", health=GOOD)
    (report,) = drift.reports("plate")
    assert (report.version, report.parts) == (2, 1)


def test_a_stated_reject_rate_is_the_normal_one_from_the_first_part(plate: Served) -> None:
    drift = Drift(Stations(), {"plate": 0.1})
    drift.add(plate, None, score=0.5, verdict="ok", health=GOOD)
    assert drift.reports("plate")[0].rejects.rate == 0.1


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
