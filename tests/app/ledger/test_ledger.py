"""The record: numbered without a gap, whoever writes; there again after a restart; never there twice."""

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy.engine import URL

from app.ledger.errors import KeyTaken, LedgerUnavailable, UnknownVerdict
from app.ledger.ledger import Ledger
from tests.app.ledger.records import ANY, opened, record, using

FULL = record(
    "a",
    "ng",
    part_id="C-0042",
    station="EL-1",
    job="LOT-7",
    score=5.31,
    ng_above=3.9,
    threshold_revision=2,
    picture_sha256="9f" * 32,
    saturated_share=0.001,
    regions=[{"x": 1, "peak": 5.31}],
    heatmap={"style": "png", "lost": False},
    timings_ms={"device": 17.9},
    simulated=True,
)


def test_a_record_is_read_as_it_was_written_also_after_a_restart(url: URL) -> None:
    async def write(ledger: Ledger) -> None:
        assert (await ledger.append(FULL)).record == replace(FULL, seq=1)

    async def read(ledger: Ledger) -> None:
        assert await ledger.find("a") == replace(FULL, seq=1)

    using(url, write)
    using(url, read)


def test_the_oldest_record_without_a_commit_has_an_age_and_after_it_none(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        written = asyncio.create_task(ledger.append(record("a")))
        await asyncio.sleep(0)
        assert ledger.oldest_s(time.monotonic() + 7) >= 7
        await written
        assert ledger.oldest_s(time.monotonic() + 7) == 0

    using(url, scenario)


def test_numbers_count_from_one_without_a_gap_whoever_writes_at_once(url: URL) -> None:
    async def scenario() -> None:
        async with opened(url) as here, opened(url) as there:
            both = [(here, there)[number % 2].append(record(f"r{number}")) for number in range(60)]
            numbers = [committed.record.seq for committed in await asyncio.gather(*both)]
            assert sorted(numbers) == list(range(1, 61))

    asyncio.run(scenario())


def test_a_key_is_answered_with_the_verdict_that_was_given_also_in_one_commit(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        names = ("a", "b", "c")
        given = await asyncio.gather(*(ledger.append(record(name, idempotency_key="k")) for name in names))
        assert [(each.record.id, each.replayed) for each in given] == [("a", False), ("a", True), ("a", True)]
        later = await ledger.append(record("d", idempotency_key="k"))
        assert (later.record.id, later.replayed) == ("a", True)
        assert (await ledger.append(record("e"))).record.seq == 2

    using(url, scenario)


def test_a_key_of_another_picture_is_refused_with_both_and_its_neighbours_are_not(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a", idempotency_key="k", picture_sha256="1" * 64))
        other = record("b", idempotency_key="k", picture_sha256="2" * 64)
        refusal, neighbour = await asyncio.gather(
            ledger.append(other), ledger.append(record("c")), return_exceptions=True
        )
        assert isinstance(refusal, KeyTaken)
        assert (refusal.stored_sha256, refusal.sent_sha256) == ("1" * 64, "2" * 64)
        assert not isinstance(neighbour, BaseException)
        assert neighbour.record.seq == 2

    using(url, scenario)


def test_a_record_that_is_there_already_is_not_there_twice(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        again = await ledger.append(record("a", "error"))
        assert (again.record.verdict, again.record.seq) == ("ok", 1)
        assert len((await ledger.page(ANY, 0, 10)).records) == 1

    using(url, scenario)


def test_a_record_that_the_database_cannot_take_fails_alone(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        broken = record("b", regions=[{"peak": float("nan")}])
        outcomes = await asyncio.gather(
            *(ledger.append(each) for each in (record("a"), broken, record("c"))), return_exceptions=True
        )
        assert isinstance(outcomes[1], LedgerUnavailable)
        assert [(await ledger.find(name)).seq for name in ("a", "c")] == [1, 2]
        assert ledger.trouble is None

    using(url, scenario)


def test_only_a_meant_reinspection_is_a_new_revision_and_names_what_it_supersedes(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        def of(name: str, **facts: object) -> object:
            return ledger.append(record(name, part_id="C-1", **facts))

        await asyncio.gather(*(of(name, station="A") for name in ("a", "b")), of("c", station="B"))  # type: ignore[call-overload]
        await asyncio.gather(of("d", station="A", reinspect=True), of("e", station="A"))  # type: ignore[call-overload]
        await of("trial", station="A", reinspect=True, simulated=True)  # type: ignore[misc]
        found = {each.id: (each.revision, each.supersedes) for each in (await ledger.page(ANY, 0, 10)).records}
        assert found == {
            "a": (1, None),
            "b": (1, None),
            "c": (1, None),
            "d": (2, "b"),
            "e": (2, None),
            "trial": (1, None),
        }

    using(url, scenario)


def test_a_caller_that_goes_away_does_not_stop_its_commit(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        gone = asyncio.create_task(ledger.append(record("a")))
        await asyncio.sleep(0)
        gone.cancel()
        await ledger.append(record("b"))
        assert (await ledger.find("a")).seq == 1

    using(url, scenario)


def test_an_id_that_it_lacks_is_unknown(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        with pytest.raises(UnknownVerdict):
            await ledger.find("none")

    using(url, scenario)
