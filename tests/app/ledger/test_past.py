"""What drift charts get back after a restart: the last parts of each station, and what they had learned."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import URL

from app.ledger import past
from app.ledger.ledger import Ledger
from app.ledger.past import LearnedRate
from app.ledger.record import Record
from tests.app.ledger.records import record, using

MINE, OTHERS = "a" * 64, "b" * 64
RATE = LearnedRate(MINE, "EL-1", 1, 0.03, "2026-11-24T08:15:02.161Z")


def scored(name: str, verdict: str = "ok", **facts: Any) -> Record:
    health = {"mean": 0.5, "contrast": 0.2, "sharpness": 0.1, "saturated_share": 0.0}
    given = {"score": 1.5, "threshold_revision": 1, "model_digest": MINE, "station": "EL-1", **health, **facts}
    return record(name, verdict, **given)


def test_the_last_parts_come_back_in_their_order_and_what_says_nothing_does_not(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(scored("a"))
        await ledger.append(scored("b", simulated=True))
        await ledger.append(record("c", "error", station="EL-1"))
        await ledger.append(scored("d", product="gear"))
        await ledger.append(scored("e", "ng", score=9.0, station="EL-2"))
        found = await ledger.past("plate", MINE)
        assert [(part.seq, part.station, part.score, part.mean) for part in found.parts] == [
            (1, "EL-1", 1.5, 0.5),
            (5, "EL-2", 9.0, 0.5),
        ]
        assert found.last_seq == 5

    using(url, scenario)


def test_parts_of_before_another_version_are_over(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(scored("a"))
        await ledger.append(scored("b", station="EL-2"))
        await ledger.append(scored("c", model_digest=OTHERS))
        await ledger.append(scored("d"))
        assert [part.seq for part in (await ledger.past("plate", MINE)).parts] == [2, 4]
        assert [part.seq for part in (await ledger.past("plate", OTHERS)).parts] == []

    using(url, scenario)


def test_a_busy_station_hides_no_quiet_one(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "WINDOW", 2)
    monkeypatch.setattr(past, "RECALL", 3)

    async def scenario(ledger: Ledger) -> None:
        for number in range(4):
            await ledger.append(scored(f"quiet {number}", station="EL-2"))
            await ledger.append(scored(f"busy {number}"))
        assert [part.seq for part in (await ledger.past("plate", MINE)).parts] == [3, 4, 5, 6, 7, 8]

    using(url, scenario)


def test_of_a_learned_rate_the_first_stays(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        for rate in (RATE, replace(RATE, rate=0.5), replace(RATE, revision=2), replace(RATE, model_digest=OTHERS)):
            await ledger.keep_rate(rate)
        assert (await ledger.past("plate", MINE)).rates == [RATE, replace(RATE, revision=2)]

    using(url, scenario)
