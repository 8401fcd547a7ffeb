"""Verdicts on disk: append-only, numbered without a gap, committed before the answer is sent.

In: records and dispositions. Out: what was committed, and answers to questions. Refuses: what app/ledger/errors.py
draws. One thread writes, for all callers together (app/ledger/writer.py); a few read.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from app.ledger import holds, reading, thresholds
from app.ledger.cursor import Cursors
from app.ledger.database import READERS, open_engine, translated
from app.ledger.dispositions import Agreement, Disposition, agreement, dispositions_of
from app.ledger.errors import CursorRetired, LedgerError
from app.ledger.feed import Feed
from app.ledger.holds import Hold, Reference
from app.ledger.journal import Journal
from app.ledger.migrate import ensure_schema
from app.ledger.past import LearnedRate, Past, keep_rate, past
from app.ledger.reading import Head, Page, Part, Query
from app.ledger.record import Committed, Record
from app.ledger.schema import counter
from app.ledger.scores import Scores, Window, scores
from app.ledger.spool import Spool
from app.ledger.store import TAKE_NUMBERS
from app.ledger.thresholds import NewThresholds, ThresholdChange
from app.ledger.writer import Change, Probe, Writer

T = TypeVar("T")
P = ParamSpec("P")
LATEST = "latest"  # in place of a cursor: what comes from now on
BEFORE_LATEST = re.compile(r"latest-([1-9][0-9]{0,8})")  # and so many numbers before it


class Ledger:
    """One database; made and used in one event loop."""

    def __init__(self, url: URL, journal: Journal | None = None) -> None:
        self._engine = open_engine(url)
        ensure_schema(self._engine)
        with translated("open"), self._engine.connect() as connection:
            row = connection.execute(select(counter)).one()
        self._cursors = Cursors(row.ledger_id, row.cursor_key)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-reader")
        self.feed = Feed(row.last_seq, self._look)
        self._writer = Writer(self._engine, self.feed.advance)
        self._spool = None if journal is None else Spool(journal, self._writer.write)

    @property
    def trouble(self) -> str | None:
        """Why the last commit failed; None where it did not."""
        return self._writer.trouble

    @property
    def spooled(self) -> int:
        """Records that wait in the journal."""
        return 0 if self._spool is None else len(self._spool.journal)

    @property
    def takes_verdicts(self) -> bool:
        """Whether a verdict would be kept now, by the database or by the journal."""
        return self.trouble is None or (self._spool is not None and not self._spool.journal.is_full)

    def oldest_s(self, now: float) -> float:
        """Age of the oldest record that waits for its commit, at a moment of time.monotonic(); 0 where none does."""
        return self._writer.oldest_s(now)

    async def append(self, record: Record) -> Committed:
        """Commit one record; where its key is known, what was committed under it."""
        if self._spool is not None:
            return await self._spool.append(record)
        committed: Committed = await self._writer.write(record)
        return committed

    async def dispose(self, disposition: Disposition) -> None:
        """Commit what a person found."""
        await self._writer.write(disposition)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Commit what `work` does, together with records that come at the same time; from any event loop."""
        result: T = await self._writer.write(Change(work))
        return result

    async def ask(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `question` finds; from any event loop."""
        return await self._read(question, *args, **kwargs)

    async def hold(self, event: Hold) -> None:
        """Commit a hold, or its end."""
        await self._writer.write(event)

    async def change_thresholds(self, new: NewThresholds) -> ThresholdChange:
        """Commit a threshold revision; it with its number."""
        change: ThresholdChange = await self._writer.write(new)
        return change

    async def warm_up(self) -> None:
        """Commit what changes nothing, so that what a connection and a disk do once is done before the first part."""
        with suppress(LedgerError):
            await self.change(lambda connection: connection.execute(TAKE_NUMBERS, {"count": 0}).scalar_one())

    async def probe(self) -> None:
        """Commit nothing, where the last commit failed, to see whether the next would."""
        if self.trouble is not None:
            with suppress(LedgerError):
                await self._writer.write(Probe())

    async def find(self, verdict_id: str) -> Record:
        """One record by its id; also one that waits in the journal, whose number is 0."""
        if self._spool is not None and (waiting := self._spool.journal.find(verdict_id)) is not None:
            return waiting
        return await self._read(reading.find, verdict_id)

    async def find_key(self, key: str) -> Record | None:
        """The verdict that was given under an idempotency key, as far as the database can be asked."""
        if self._spool is None:
            return await self._read(reading.find_key, key)
        if (waiting := self._spool.journal.find_key(key)) is not None:
            return waiting
        if self.trouble is None:
            with suppress(LedgerError):
                return await self._read(reading.find_key, key)
        return None

    async def old_heatmap(self, verdict_id: str) -> bytes | None:
        """A heatmap that a ledger of schema 1 held in its row."""
        return await self._read(reading.old_heatmap, verdict_id)

    async def part(self, part_id: str) -> Part:
        """The newest revision of every station's verdict on a part."""
        return await self._read(reading.part, part_id)

    async def dispositions(self, verdict_id: str) -> list[Disposition]:
        """What people found of one part, the newest last."""
        return await self._read(dispositions_of, verdict_id)

    async def agreement(self, query: Query) -> Agreement:
        """How often people agreed with the verdicts on a product."""
        return await self._read(agreement, query)

    async def held(self) -> list[Reference]:
        """What verdicts that are on hold refer to."""
        return await self._read(holds.held)

    async def holds(self, verdict_id: str) -> list[Hold]:
        """Holds of one verdict and their ends, the newest last."""
        return await self._read(holds.holds_of, verdict_id)

    async def threshold_changes(self, after: int) -> list[ThresholdChange]:
        """Threshold revisions of all products after the number `after`."""
        return await self._read(thresholds.changes, after)

    async def threshold_history(self, product: str) -> list[ThresholdChange]:
        """Threshold revisions of one product, the newest last."""
        return await self._read(thresholds.history, product)

    async def scores(self, window: Window) -> Scores:
        """Stored scores of one version, the newest first."""
        return await self._read(scores, window)

    async def past(self, product: str, model_digest: str) -> Past:
        """What the drift charts of one version have seen of late."""
        return await self._read(past, product, model_digest)

    async def keep_rate(self, learned: LearnedRate) -> None:
        """Commit a reject rate that a chart has learned, unless one is there."""
        await self._writer.write(Change(lambda connection: keep_rate(connection, learned)))

    async def head(self) -> Head:
        """How far the ledger goes; asks the database, so it also says whether that is there."""
        return await self._read(reading.head)

    async def page(self, query: Query, after: int, limit: int, wait_s: float = 0.0) -> Page:
        """What follows the number `after`; an empty page only after `wait_s` seconds without one that fits."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        found = await self._read(reading.page, query, after, limit)
        while not found.records and not found.has_more and (left := end - loop.time()) > 0:
            if not await self.feed.beyond(found.last_seq, left):
                break
            found = await self._read(reading.page, query, found.last_seq, limit)
        return found

    async def place(self, cursor: str | None) -> int:
        """The number that a client has seen last; `CursorRetired` where it cannot go on from there."""
        now = await self.head()
        if cursor == LATEST:
            return now.last_seq
        if cursor is None:
            return now.retired_seq
        if before := BEFORE_LATEST.fullmatch(cursor):
            return max(now.retired_seq, now.last_seq - int(before[1]))
        seq = self._cursors.read(cursor)
        if seq < now.retired_seq:
            raise CursorRetired("verdicts after this cursor were retired", earliest=self.cursor(now.retired_seq))
        if seq > now.last_seq:
            raise CursorRetired(
                "the ledger ends before this cursor: it was restored from an older copy",
                earliest=self.cursor(now.retired_seq),
            )
        return seq

    def cursor(self, seq: int) -> str:
        """The word for the place after the verdict `seq`."""
        return self._cursors.sign(seq)

    async def close(self) -> None:
        """Commit what waits, and end."""
        self.feed.close()
        if self._spool is not None:
            await self._spool.close()
        await asyncio.sleep(0)  # what is about to be queued
        await asyncio.to_thread(self._writer.close)
        self._readers.shutdown()
        self._engine.dispose()

    async def _look(self) -> int:
        return (await self.head()).last_seq

    async def _read(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        work = lambda: _ask(self._engine, question, *args, **kwargs)  # noqa: E731
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _ask(engine: Engine, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Once more where the connection was lost while nobody used it."""
    with translated("answer"):
        try:
            with engine.connect() as connection:
                return question(connection, *args, **kwargs)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with engine.connect() as connection:
            return question(connection, *args, **kwargs)
