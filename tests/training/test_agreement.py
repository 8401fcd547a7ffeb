"""Figures of a measurement system analysis against hand-made tables, and the page that shows them."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import cohen_kappa_score

from training.agreement import LIMITS, Agreement, Figure, Limit, analyse, parts_needed, read_agreement
from training.cli import main
from training.errors import AgreementUnreadable, TooFewDispositions


def agreement(ok: tuple[int, int, int], review: tuple[int, int, int], ng: tuple[int, int, int]) -> Agreement:
    """(parts, looked at, defective) of each verdict."""
    names = ("parts", "looked_at", "defective")
    looked = {
        verdict: dict(zip(names, it, strict=True)) for verdict, it in {"ok": ok, "review": review, "ng": ng}.items()
    }
    return read_agreement(json.dumps({"product": "plate", "looked": looked, "confidence": 0.95}))


def values(figures: list[Figure]) -> list[float]:
    return [figure.value for figure in figures]


def test_the_figures_are_those_of_the_table() -> None:
    alone, line = analyse(agreement((100, 100, 2), (30, 30, 10), (60, 60, 50)))
    effectiveness, misses, alarms, kappa = values(alone.looked_at)
    assert (effectiveness, misses, alarms) == (148 / 160, 2 / 52, 10 / 108)
    found = np.repeat([0, 1, 0, 1], [98, 2, 10, 50])
    judged = np.repeat([0, 0, 1, 1], [98, 2, 10, 50])
    assert kappa == pytest.approx(cohen_kappa_score(found, judged))
    assert values(line.looked_at)[:3] == [158 / 190, 2 / 62, 30 / 128]


def test_intervals_are_exact_and_of_kappa_those_of_fleiss_where_there_is_much() -> None:
    (study, _) = analyse(agreement((1000, 1000, 40), (0, 0, 0), (1000, 1000, 900)))
    misses, kappa = study.looked_at[1], study.looked_at[3]
    assert binom.sf(39, 940, misses.low) == pytest.approx(0.025)
    assert binom.cdf(40, 940, misses.high) == pytest.approx(0.025)
    error = 1.96 * np.sqrt(0.93 * 0.07 / (2000 * 0.5**2))  # about, Cohen 1960
    assert (kappa.low, kappa.high) == pytest.approx((0.86 - error, 0.86 + error), abs=0.004)


def test_all_parts_weigh_as_often_as_their_verdict_was_given() -> None:
    rare, _ = analyse(agreement((10_000, 100, 1), (0, 0, 0), (100, 100, 90)))
    effectiveness, misses, alarms, _ = values(rare.all_parts)
    assert misses == pytest.approx(100 / 190)  # 1 of 100 looked at stands for 100 of 10 000
    assert alarms == pytest.approx(10 / 9910)
    assert effectiveness == pytest.approx(9990 / 10_100)
    assert rare.looked_at[1].value == pytest.approx(1 / 91)
    assert rare.all_parts[1].high > 0.8  # one miss is little to go by


def test_all_parts_are_the_parts_looked_at_where_those_are_all() -> None:
    for study in analyse(agreement((100, 100, 2), (30, 30, 10), (60, 60, 50))):
        assert values(study.all_parts) == pytest.approx(values(study.looked_at))


@pytest.mark.parametrize(
    ("limit", "value", "grade"),
    [
        (LIMITS[0], 0.90, "acceptable"),
        (LIMITS[0], 0.85, "marginal"),
        (LIMITS[0], 0.79, "unacceptable"),
        (LIMITS[1], 0.02, "acceptable"),
        (LIMITS[1], 0.03, "marginal"),
        (LIMITS[2], 0.11, "unacceptable"),
        (LIMITS[3], 0.76, "acceptable"),
        (LIMITS[3], 0.39, "unacceptable"),
    ],
)
def test_grades_are_those_of_the_manual(limit: Limit, value: float, grade: str) -> None:
    assert limit.grade(value) == grade


def test_as_many_parts_as_are_said_to_show_a_limit_do() -> None:
    enough = parts_needed(0.02)
    for count, sure in ((enough, True), (enough - 1, False)):
        (study, _) = analyse(agreement((500, 500, 0), (0, 0, 0), (count, count, count)))
        assert (study.looked_at[1].grade, study.looked_at[1].sure) == ("acceptable", sure)


def test_too_few_dispositions_are_refused_with_what_to_do() -> None:
    with pytest.raises(TooFewDispositions, match=r"90 parts good and 19 defective; it takes 20 of each.*console"):
        analyse(agreement((200, 90, 0), (0, 0, 0), (30, 19, 19)))


@pytest.mark.parametrize(
    "text", ["", "{}", '{"product": "p", "looked": {"ok": {"parts": 1, "looked_at": 2, "defective": 0}}}']
)
def test_what_is_no_answer_of_the_service_is_refused(text: str) -> None:
    with pytest.raises(AgreementUnreadable):
        read_agreement(text)


def test_the_command_reads_what_curl_got_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(answer: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["agreement", answer, f"--out={tmp_path / 'page.html'}"])
        return int(ended.value.code or 0)

    (tmp_path / "answer.json").write_text(agreement((4000, 60, 1), (150, 140, 40), (300, 280, 262)).model_dump_json())
    assert run(str(tmp_path / "answer.json")) == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    for text in ("Attribute agreement: plate", "4th ed. (2010)", "more than twice as often", "not shown yet", "19.2%"):
        assert text in page
    assert run(str(tmp_path / "none.json")) == 2
    assert "cannot be read" in capsys.readouterr().err
