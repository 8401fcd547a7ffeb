"""What a client reads: in order, each once, whoever writes; and of a part what counts."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.engine import URL

from app.ledger import reading
from app.ledger.database import open_engine, writing
from app.ledger.errors import BadCursor, CursorRetired, UnknownPart
from app.ledger.ledger import LATEST, Ledger
from app.ledger.reading import Query
from app.ledger.schema import counter
from tests.app.ledger.records import ANY, opened, record, using

WRITERS, EACH = 8, 25


def test_a_poller_beside_eight_writers_sees_every_record_once_and_in_order(url: URL) -> None:
    async def write(writer: int) -> None:
        async with opened(url) as ledger:
            for number in range(EACH):
                await ledger.append(record(f"{writer}-{number}"))

    async def scenario(ledger: Ledger) -> None:
        writers = asyncio.gather(*(asyncio.to_thread(asyncio.run, write(writer)) for writer in range(WRITERS)))
        seen: list[int] = []
        cursor = await ledger.place(None)
        while len(seen) < WRITERS * EACH:
            page = await ledger.page(ANY, cursor, 7, wait_s=5)
            assert page.records
            seen += [each.seq for each in page.records]
            cursor = page.last_seq
        await writers
        assert seen == list(range(1, WRITERS * EACH + 1))

    using(url, scenario)


def test_filters_fit_together_and_the_cursor_passes_what_does_not_fit(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        facts: list[dict[str, Any]] = [
            {"station": "A", "job": "1", "part_id": "x", "decided_at": "2026-11-24T08:00:00.000Z"},
            {"station": "A", "job": "2", "verdict": "ng", "decided_at": "2026-11-24T09:00:00.000Z"},
            {"station": "B", "job": "2", "verdict": "error", "decided_at": "2026-11-24T10:00:00.000Z"},
            {"product": "other", "simulated": True, "decided_at": "2026-11-24T11:00:00.000Z"},
        ]
        for number, fact in enumerate(facts, 1):
            await ledger.append(record(str(number), **fact))
        expected = {
            Query(product="other"): "4",
            Query(station="A"): "12",
            Query(job="2", station="B"): "3",
            Query(part_id="x"): "1",
            Query(verdict=("ng", "error")): "23",
            Query(simulated=False): "123",
            Query(since="2026-11-24T09:00:00.000Z", until="2026-11-24T11:00:00.000Z"): "23",
        }
        for query, ids in expected.items():
            page = await ledger.page(query, 0, 10)
            assert "".join(each.id for each in page.records) == ids
            assert (page.last_seq, page.has_more) == (4, False)

    using(url, scenario)


def test_a_filter_that_fits_nothing_ends_a_page_and_not_the_search(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW", 3)
    monkeypatch.setattr(reading, "SPENT_S", 0.0)

    async def scenario(ledger: Ledger) -> None:
        await asyncio.gather(*(ledger.append(record(str(number))) for number in range(1, 9)))
        await ledger.append(record("rare", "ng"))
        after, pages = 0, []
        while not pages or pages[-1].has_more:
            pages.append(await ledger.page(Query(verdict=("ng",)), after, 10))
            after = pages[-1].last_seq
        assert [(len(page.records), page.last_seq) for page in pages] == [(0, 3), (0, 6), (1, 9)]

    using(url, scenario)


def test_a_poll_waits_for_what_fits_and_ends_in_time_without_it(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        poll = asyncio.create_task(ledger.page(Query(verdict=("ng",)), 0, 10, wait_s=10))
        await ledger.append(record("a"))
        await asyncio.sleep(0.05)
        assert not poll.done()
        await ledger.append(record("b", "ng"))
        assert [each.id for each in (await poll).records] == ["b"]
        began = time.monotonic()
        assert (await ledger.page(ANY, 2, 10, wait_s=0.1)).records == []
        assert 0.1 <= time.monotonic() - began < 2

    using(url, scenario)


def test_a_poll_is_woken_by_the_commit_of_another_process(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        async with opened(url) as other:
            poll = asyncio.create_task(ledger.page(ANY, 0, 10, wait_s=10))
            await other.append(record("a"))
            assert [each.id for each in (await poll).records] == ["a"]

    using(url, scenario)


def test_a_cursor_is_opaque_signed_and_the_same_for_every_process(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        cursor = ledger.cursor(1)
        async with opened(url) as other:
            assert await other.place(cursor) == 1
        assert [await ledger.place(None), await ledger.place(LATEST)] == [0, 1]
        for word in ("", "1", "ü", cursor[:-1], cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), cursor + "AAAA"):
            with pytest.raises(BadCursor):
                await ledger.place(word)

    using(url, scenario)


def test_a_cursor_from_which_nobody_can_go_on_says_where_it_begins(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await asyncio.gather(*(ledger.append(record(name)) for name in "abc"))
        engine = open_engine(url)
        with writing(engine).begin() as connection:
            connection.execute(update(counter).values(retired_seq=2))
        engine.dispose()
        for seq in (1, 4):  # of a retired verdict, and of one that a restored copy does not have
            with pytest.raises(CursorRetired) as refusal:
                await ledger.place(ledger.cursor(seq))
            assert await ledger.place(refusal.value.earliest) == 2

    using(url, scenario)


HISTORIES = [  # station, verdict, whether it is meant as a re-inspection
    ([("A", "ok", False), ("B", "review", False)], "review"),
    ([("A", "ng", False), ("A", "ok", True), ("B", "ok", False)], "ok"),
    ([("A", "ng", False), ("A", "ok", False)], "ng"),
    ([("A", "ok", True), ("A", "ng", False)], "ng"),
    ([("A", "error", False)], "ng"),
    ([("A", "error", False), ("A", "ok", False)], "ok"),
    ([("A", "ok", False), ("A", "error", False)], "ng"),
]


def test_a_part_is_as_good_as_the_worst_that_still_counts(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number, (history, expected) in enumerate(HISTORIES):
            part = f"C-{number}"
            for step, (station, verdict, reinspect) in enumerate(history):
                facts = {"part_id": part, "station": station, "reinspect": reinspect}
                await ledger.append(record(f"{part}-{step}", verdict, **facts))
            await ledger.append(record(f"{part}-trial", "ng", part_id=part, station="A", simulated=True))
            found = await ledger.part(part)
            assert found.counts_as == expected, history
            assert len(found.stations) == len({station for station, _, _ in history})

    using(url, scenario)


def test_a_part_that_nobody_named_is_unknown(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        with pytest.raises(UnknownPart):
            await ledger.part("C-1")

    using(url, scenario)
