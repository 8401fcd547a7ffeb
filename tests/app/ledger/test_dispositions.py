"""What people found, and the rates that follow from it."""

from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import binomtest
from sqlalchemy.engine import URL

from app.ledger.dispositions import Disposition, rate_of
from app.ledger.errors import NothingToDispose, UnknownVerdict
from app.ledger.ledger import Ledger
from app.ledger.reading import Query
from tests.app.ledger.records import MOMENT, record, using

PLATES = Query(product="plate", simulated=False)


def found(verdict_id: str, what: Any) -> Disposition:
    return Disposition(verdict_id=verdict_id, found=what, who="Kim", reason="scratch", at=MOMENT)


def test_a_disposition_is_appended_the_newest_counts_and_the_verdict_stays(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a", "ng"))
        both = [found("a", "defective"), found("a", "good")]
        for disposition in both:
            await ledger.dispose(disposition)
        assert await ledger.dispositions("a") == both
        assert (await ledger.find("a")).verdict == "ng"
        looked = (await ledger.agreement(PLATES)).looked["ng"]
        assert (looked.parts, looked.looked_at, looked.defective) == (1, 1, 0)

    using(url, scenario)


def test_rates_are_per_inspected_part_and_simulated_ones_are_none(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number in range(6):
            await ledger.append(record(f"ok{number}"))
        for number in range(2):
            await ledger.append(record(f"ng{number}", "ng"))
        await ledger.append(record("trial", "ng", simulated=True))
        for name, what in {"ok0": "good", "ok1": "defective", "ng0": "good", "trial": "good"}.items():
            await ledger.dispose(found(name, what))
        agreement = await ledger.agreement(PLATES)
        assert (agreement.escape.rate, agreement.false_reject.rate) == (1 / 2 * 6 / 8, 1 * 2 / 8)
        assert agreement.false_reject.high == 2 / 8
        assert (await ledger.agreement(replace(PLATES, product="other"))).escape.rate is None

    using(url, scenario)


def test_a_study_is_of_one_version_and_of_its_time(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number, day in enumerate((1, 2, 3)):
            moment = f"2026-11-0{day}T00:00:00.000Z"
            await ledger.append(record(f"{number}", "ng", model_version=1 + number // 2, decided_at=moment))
        for narrowed, parts in (
            ({"model_version": 1}, 2),
            ({"since": "2026-11-02T00:00:00.000Z"}, 2),
            ({"until": "2026-11-02T00:00:00.000Z"}, 1),
        ):
            assert (await ledger.agreement(replace(PLATES, **narrowed))).looked["ng"].parts == parts

    using(url, scenario)


def test_what_is_not_there_and_what_is_an_error_cannot_be_disposed_of(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("e", "error"))
        with pytest.raises(UnknownVerdict):
            await ledger.dispose(found("none", "good"))
        with pytest.raises(NothingToDispose):
            await ledger.dispose(found("e", "good"))

    using(url, scenario)


@pytest.mark.parametrize(("hits", "tries"), [(0, 1), (0, 20), (3, 20), (20, 20), (500, 1000)])
def test_intervals_are_those_of_clopper_and_pearson(hits: int, tries: int) -> None:
    expected = binomtest(hits, tries).proportion_ci(0.95, "exact")
    rate = rate_of(hits, tries)
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_nothing_is_known_without_a_look() -> None:
    assert (rate_of(0, 0).rate, rate_of(0, 0).low, rate_of(0, 0).high) == (None, 0.0, 1.0)
