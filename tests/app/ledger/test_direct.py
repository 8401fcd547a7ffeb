"""What goes past SQLAlchemy keeps every promise of the ledger, on both databases."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import URL

from app.ledger.database import ledger_url, open_engine, writing
from app.ledger.direct import Direct
from app.ledger.errors import LedgerUnavailable
from app.ledger.ledger import Ledger
from app.ledger.migrate import ensure_schema
from app.ledger.record import Record
from app.ledger.writer import BATCH
from tests.app.ledger.records import ANY, opened, record, using


def test_sqlalchemy_runs_nothing_for_new_records_also_after_a_refused_one(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await asyncio.gather(*(ledger.append(record(f"a{n}", idempotency_key=f"k{n}", part_id="C")) for n in range(9)))
        assert (await ledger.append(record("b", idempotency_key="k3", part_id="C"))).record.id == "a3"
        with pytest.raises(LedgerUnavailable):
            await ledger.append(record("c", regions=[float("nan")]))
        ran: list[str] = []
        event.listen(ledger._engine, "before_cursor_execute", lambda *what: ran.append(what[2]))
        await asyncio.gather(*(ledger.append(record(f"d{n}", idempotency_key=f"l{n}")) for n in range(9)))
        await ledger.append(record("e", "error"))
        assert not ran

    using(url, scenario)


def test_a_warm_ledger_works_out_nothing_for_its_first_record(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.warm_up()
        assert (await ledger.page(ANY, 0, 10)).records == []
        monkeypatch.setattr(Direct, "_chosen", None)
        assert (await ledger.append(record("a"))).record.seq == 1

    using(url, scenario)


def test_records_of_one_part_in_one_transaction_see_each_other(url: URL) -> None:
    engine = writing(open_engine(url))
    ensure_schema(engine)
    again = ("b", "d", "e")
    with engine.connect() as connection:
        batch = [record(name, part_id="x" if name == "c" else "C-1", reinspect=name in again) for name in "abcde"]
        committed = Direct(connection).commit([*batch, record("f"), record("g")])
        assert [each.record.seq for each in committed] == [1, 2, 3, 4, 5, 6, 7]
        given = [(each.record.revision, each.record.supersedes) for each in committed]
        assert given == [(1, None), (2, "a"), (1, None), (3, "b"), (4, "d"), (1, None), (1, None)]
    engine.dispose()


def test_two_processes_that_inspect_a_part_again_at_once_make_one_chain(url: URL) -> None:
    async def scenario() -> None:
        async with opened(url) as here, opened(url) as there:

            async def write(ledger: Ledger, name: str) -> None:
                for number in range(10):
                    await ledger.append(record(f"{name}{number}", part_id="C-1", reinspect=True))

            await asyncio.gather(write(here, "h"), write(there, "t"))
            found = (await here.page(ANY, 0, 100)).records
        assert [each.revision for each in found] == list(range(1, 21))
        assert [each.supersedes for each in found] == [None, *(each.id for each in found[:-1])]

    asyncio.run(scenario())


def test_a_batch_is_taken_that_no_socket_takes_at_once(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        long = {"note": "ü" * 20_000}
        await asyncio.gather(*(ledger.append(record(f"r{n}", regions=[long])) for n in range(BATCH + 1)))
        assert (await ledger.find(f"r{BATCH}")).regions == [long]

    using(url, scenario)


def test_a_database_that_stalls_does_not_stop_the_event_loop(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        engine = writing(open_engine(url))
        with engine.begin() as other:
            other.execute(text("UPDATE counter SET last_seq = last_seq"))  # and holds its lock
            waits = asyncio.create_task(ledger.append(record("b")))
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(20):
                await asyncio.sleep(0.01)
            assert loop.time() - began < 2  # a lock of Python's that was kept would end with the database's patience
            assert not waits.done()
        assert (await waits).record.seq == 2
        engine.dispose()

    using(url, scenario)


def test_those_who_were_answered_together_share_the_next_commit_too(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        writer, sizes = ledger._writer, []
        outcomes = writer._outcomes
        writer._outcomes = lambda batch: (sizes.append(len(batch)), outcomes(batch))[1]  # type: ignore[method-assign]

        def made(name: str) -> Record:
            time.sleep(0.0005)  # as a system call does, this lets the writer's thread have Python's lock
            return record(name)

        async def write(name: str) -> None:
            for number in range(20):
                await ledger.append(made(f"{name}{number}"))

        await asyncio.gather(*(write(name) for name in "abcdefgh"))
        assert sum(sizes) / len(sizes) > 3  # 2, where most are found before the others; 4, where one is once

    using(url, scenario)


def test_what_is_about_to_be_queued_at_the_end_is_committed(url: URL) -> None:
    async def scenario() -> None:
        async with opened(url) as ledger:
            await asyncio.gather(*(ledger.append(record(name)) for name in "abc"))
            last = [asyncio.create_task(ledger.append(record(name))) for name in "de"]
            await asyncio.sleep(0)
        assert [each.record.seq for each in await asyncio.wait_for(asyncio.gather(*last), 5)] == [4, 5]

    asyncio.run(scenario())


def test_what_is_longer_than_its_column_is_refused_and_not_cut(new_database: Callable[[], str]) -> None:
    async def scenario(ledger: Ledger) -> None:
        with pytest.raises(LedgerUnavailable, match="too long"):
            await ledger.append(record("a", part_id="C" * 201))
        assert (await ledger.append(record("b", part_id="ü" * 200))).record.seq == 1

    using(ledger_url(Path(), new_database()), scenario)


def test_what_is_not_there_is_null_in_every_column(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        question = "SELECT count(*) FROM verdicts WHERE heatmap IS NULL AND part_id IS NULL AND score IS NULL"
        assert await ledger.ask(lambda connection: connection.execute(text(question)).scalar_one()) == 1

    using(url, scenario)


def test_a_servers_own_isolation_is_not_the_ledgers(new_database: Callable[[], str]) -> None:
    place = new_database()
    name = place.rpartition("/")[2]
    engine = open_engine(ledger_url(Path(), place))
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"))
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = 'off'"))
    engine.dispose()

    async def scenario(ledger: Ledger) -> None:
        for setting, value in (("default_transaction_isolation", "read committed"), ("synchronous_commit", "on")):
            show = text(f"SHOW {setting}")
            assert await ledger.change(lambda connection, show=show: connection.execute(show).scalar_one()) == value

    using(ledger_url(Path(), place), scenario)


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_twice(new_database: Callable[[], str]) -> None:
    place = ledger_url(Path(), new_database())

    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a", part_id="C"))
        proxy.cut_at(b"lost")
        committed = await ledger.append(record("lost", part_id="C", reinspect=True))
        assert (committed.record.seq, committed.record.revision, committed.record.supersedes) == (2, 2, "a")
        assert proxy.was_cut
        assert (await ledger.append(record("b"))).record.seq == 3

    with closing(Proxy(int(place.port or 0))) as proxy:
        using(place.set(port=proxy.port), scenario)


class Proxy:
    """Before a server: cuts all connections instead of passing on what is answered to a certain request."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._word: bytes | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.was_cut = False
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, word: bytes) -> None:
        """Once, at the first request that has it."""
        self._word = word

    def close(self) -> None:
        """Take nobody any more."""
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._pairs += [client, server]
                doomed = threading.Event()
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(*ends, client, doomed), daemon=True).start()

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, client: socket.socket, doomed: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if source is client and self._word is not None and self._word in data:
                    doomed.set()
                    self._word = None
                if source is not client and doomed.is_set():
                    self.was_cut = True
                    break
                sink.sendall(data)
            for end in (source, sink):
                end.shutdown(socket.SHUT_RDWR)
