"""Figures for people: counts that can be checked by hand."""

from detector.calibration import Calibration
from training.evaluate import Evaluation, ScoredPart
from training.plain_words import Kind, figures, kinds, outcome

CALIBRATION = Calibration(
    revision=1, promise=0.1, review_rate=0.2, ng_above=3.0, review_above=2.0, map_floor=0.0, scores=(1.0,)
)


def part(label: str, score: float, verdict: str, role: str = "test") -> ScoredPart:
    return ScoredPart(f"{label}/{score}.png", label, score, verdict, role)


def test_shares_are_counted_over_test_pictures_and_held_against_the_promise() -> None:
    good = [part("good", 1.0, "ok")] * 8 + [part("good", 2.5, "review"), part("good", 4.0, "ng")]
    parts = (*good, part("dent", 1.0, "ok"), part("dent", 9.0, "ng"), part("good", 9.0, "ng", role="calibrate"))
    values = {row.name: row.value for row in figures(Evaluation(parts, {}), CALIBRATION)}
    assert values["False rejects"] == "1 of 10 (10.0%), promised 10.0%: within the promise"
    assert values["Good, to review"] == "1 of 10 (10.0%), planned 20.0%"
    assert values["Escapes"] == "1 of 2 (50.0%)"


def test_too_many_false_rejects_are_over_the_promise() -> None:
    parts = (part("good", 4.0, "ng"), part("good", 1.0, "ok"))
    assert figures(Evaluation(parts, {}), CALIBRATION)[0].value.endswith("over the promise")


def test_a_kind_is_counted_by_verdict_and_the_most_missed_comes_first() -> None:
    parts = [part("chip", 8.0, "ng"), part("chip", 9.0, "ng"), part("dent", 1.0, "ok"), part("dent", 2.5, "review")]
    assert kinds(parts) == [Kind("dent", 2, 1, 1, 1.75), Kind("chip", 2, 0, 0, 8.5)]


def test_a_wrong_verdict_says_so() -> None:
    assert outcome(part("dent", 1.0, "ok")) == "ok: passes (an escape)"
    assert outcome(part("good", 4.0, "ng")) == "ng: rejected (a false reject)"
    assert outcome(part("dent", 4.0, "ng")) == "ng: rejected"


def test_without_test_pictures_there_is_no_figure() -> None:
    assert figures(Evaluation((part("good", 1.0, "ok", role="calibrate"),), {}), CALIBRATION) == []
