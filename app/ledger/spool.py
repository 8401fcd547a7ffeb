"""The way of a record into the ledger where a journal may stand in for the database.

In: records. Out: what is committed, or what waits in the journal, its number still 0. Refuses: what the journal does.
While anything waits there, whatever comes is put behind it: the ledger then has the order in which parts were answered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from app.ledger.errors import LedgerAway, LedgerBusy, LedgerError
from app.ledger.journal import Journal
from app.ledger.record import Committed, Record
from app.ledger.writer import BATCH, Spooled

log = logging.getLogger(__name__)
AGAIN_S = 1.0
Write = Callable[[Record | Spooled], Awaitable[Committed]]


class Spool:
    """Belongs to the event loop of its ledger. What an earlier process has left is replayed at once."""

    def __init__(self, journal: Journal, write: Write) -> None:
        self.journal = journal
        self._write = write
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ledger-journal")
        self._arriving = 0
        self._draining: asyncio.Task[None] | None = None
        if len(journal):
            self._begin_to_drain()

    @property
    def is_used(self) -> bool:
        """Whether something waits, or is about to."""
        return len(self.journal) + self._arriving > 0

    async def append(self, record: Record) -> Committed:
        """Into the ledger, or where its database is away, and while others wait, into the journal."""
        if self.journal.limit == 0:  # of a service that had a journal before
            return await self._write(record)
        if not self.is_used:
            with suppress(LedgerAway):
                return await self._write(record)
            log.warning("the database is away: verdicts wait in the journal")
        self._arriving += 1
        try:
            kept = await self._on_disk(self.journal.append, record)
        finally:
            self._arriving -= 1
        self._begin_to_drain()
        return Committed(record=kept)

    async def close(self) -> None:
        """What waits, waits for the next process."""
        if self._draining is not None:
            self._draining.cancel()
            with suppress(asyncio.CancelledError):
                await self._draining
        self._disk.shutdown()
        self.journal.close()

    def _begin_to_drain(self) -> None:
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while len(self.journal):
            records = self.journal.first(BATCH)
            tries = (self._write(Spooled(record)) for record in records)
            outcomes = await asyncio.gather(*tries, return_exceptions=True)
            taken = await self._on_disk(self._settle, records, outcomes)
            if taken < len(records):
                await asyncio.sleep(AGAIN_S)
        log.warning("the database is back: every verdict of the journal is in the ledger")

    def _settle(self, records: Sequence[Record], outcomes: Sequence[Committed | BaseException]) -> int:
        """Drop those that the database has taken, up to the first that it has not; how many."""
        taken: list[Record] = []
        for record, outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, LedgerAway | LedgerBusy):
                break
            if isinstance(outcome, LedgerError):
                self.journal.reject(record, str(outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
            taken.append(record)
        self.journal.drop(taken)
        return len(taken)

    async def _on_disk(self, work: Callable[..., Any], *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *args)
