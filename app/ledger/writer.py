"""What many callers want to have recorded → one commit for all of them: a thread that drains a queue.

In: records, dispositions, holds and thresholds, from the event loop. Out: a future each, done after the commit that
holds it. Refuses: more than `LIMIT` that wait (`LedgerBusy`); what the database refuses (`LedgerUnavailable`).
There is no timer: a record that comes alone is committed alone and at once; those that come while a commit runs share
the next one. A record that the database cannot take fails alone.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.ledger.database import translated, writing
from app.ledger.direct import Direct
from app.ledger.dispositions import Disposition, dispose
from app.ledger.errors import KeyTaken, LedgerAway, LedgerBusy, LedgerError, LedgerUnavailable
from app.ledger.holds import Hold, hold
from app.ledger.record import Committed, Record
from app.ledger.store import store
from app.ledger.thresholds import NewThresholds, change

log = logging.getLogger(__name__)
LIMIT = 4096  # records that wait, some KiB each; POST /inspect holds fewer, refusals may be many
BATCH = 256  # records that share a commit at most


class Probe:
    """A commit of nothing: does the database take it?"""


class Change:
    """What else is to be in the ledger: `work` runs in the transaction, and its result is the outcome."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work


@dataclass(frozen=True, eq=False)
class Spooled:
    """A record that was answered while the database was away: it may be there already, and it has to be in the end."""

    record: Record


What = Record | Spooled | Disposition | Hold | NewThresholds | Probe | Change
Outcome = Any  # Committed, a threshold revision, what a change gave, or LedgerError


@dataclass(frozen=True, eq=False)
class _Entry:
    what: What
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    at: float
    """A moment of time.monotonic()."""


class Writer:
    """The thread. `on_commit` is called in the event loop with the last number that was given."""

    def __init__(self, engine: Engine, on_commit: Callable[[int], None]) -> None:
        self._engine = writing(engine)
        self._kept: Direct | None = None
        """Of the thread: to take one from the pool for each commit costs as much as a statement."""
        self._on_commit = on_commit
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._waiting: dict[_Entry, None] = {}
        """Of the event loops: without an answer, the oldest first."""
        self._is_shared = False
        """Whether the last commit had several. Who was answered together comes again together: each is then queued when
        this turn of its event loop is over, and the thread finds all of them; so is whoever comes while others wait."""
        self.trouble: str | None = None
        """What the database said to the last commit; None where it took it."""
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def write(self, what: What) -> Any:
        """Wait for the commit; a caller that goes away does not stop it."""
        if len(self._waiting) >= LIMIT:
            raise LedgerBusy(f"{LIMIT} records wait to be committed already")
        loop = asyncio.get_running_loop()
        entry, is_alone = _Entry(what, loop.create_future(), loop, time.monotonic()), not self._waiting
        self._waiting[entry] = None
        if self._is_shared or not is_alone:
            loop.call_soon(self._queue.put, entry)
        else:
            self._queue.put(entry)
        return await entry.future

    def oldest_s(self, now: float) -> float:
        """Age of the oldest that waits for its commit; 0 where none does."""
        waiting = list(self._waiting)  # at once: deliveries write from a loop, and a thread, of their own
        return max(0.0, now - waiting[0].at) if waiting else 0.0

    def close(self) -> None:
        """Commit what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._take()
            if batch:
                pairs = list(zip(batch, self._outcomes(batch), strict=True))
                for loop in {entry.loop for entry in batch}:
                    try:
                        loop.call_soon_threadsafe(self._answer, loop, pairs)
                    except RuntimeError:  # it is closed: nobody waits there any more
                        log.debug("an event loop has ended before its answers")
        if self._kept is not None:
            self._kept.connection.close()

    def _take(self) -> tuple[list[_Entry], bool]:
        """What waits, at least one; and whether more may come."""
        batch: list[_Entry] = []
        entry = self._queue.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) == BATCH:
                return batch, True
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _outcomes(self, batch: Sequence[_Entry]) -> list[Outcome]:
        try:
            outcomes = self._commit_again(batch)
        except Exception as error:  # noqa: BLE001 -- as in the worker: each caller is told, and this lives on
            is_away = _is_away(error)
            if len(batch) > 1 and not is_away:  # one of them is at fault: the others shall not pay for it
                return [outcome for entry in batch for outcome in self._outcomes([entry])]
            refusal = _refusal(error)
            if is_away:
                refusal = LedgerAway(str(refusal))
                self.trouble = str(refusal)
            return [refusal] * len(batch)
        self.trouble = None
        return outcomes

    def _commit_again(self, batch: Sequence[_Entry]) -> list[Outcome]:
        """Once more where the connection was lost: what was committed all the same is then found by its id."""
        try:
            return self._commit(batch, doubtful=())
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            log.warning("the ledger's connection was lost; connecting again")
            ids = {entry.what.id for entry in batch if isinstance(entry.what, Record)}
            return self._commit(batch, doubtful=ids)

    def _commit(self, batch: Sequence[_Entry], doubtful: Collection[str]) -> list[Outcome]:
        entries = [entry.what for entry in batch]
        new = [entry for entry in entries if isinstance(entry, Record)]
        if len(new) == len(entries) and not doubtful:
            try:
                with self._connection() as direct:
                    return list(direct.commit(new))
            except Exception as error:
                if _is_away(error):
                    raise
                log.debug("a batch is looked into", exc_info=True)
        spooled = {entry.record.id for entry in entries if isinstance(entry, Spooled)}
        records = [entry for entry in map(_record, entries) if entry is not None]
        with self._connection() as direct, direct.connection.begin():
            outcomes = iter(store(direct.connection, records, doubtful, spooled))
            return [_apply(direct.connection, entry, outcomes) for entry in entries]

    @contextmanager
    def _connection(self) -> Iterator[Direct]:
        """That of before, unless something went wrong with it."""
        direct, self._kept = self._kept or Direct(self._engine.connect()), None
        try:
            direct.prepare()
            yield direct
        except BaseException:
            direct.connection.close()
            raise
        self._kept = direct

    def _answer(self, loop: asyncio.AbstractEventLoop, pairs: Sequence[tuple[_Entry, Outcome]]) -> None:
        """In the event loop, to its own: callers that have gone away are left alone."""
        newest, self._is_shared = 0, len(pairs) > 1
        for entry, outcome in pairs:
            if entry.loop is not loop:
                continue
            self._waiting.pop(entry, None)
            if isinstance(outcome, Committed):
                newest = max(newest, outcome.record.seq)
            if entry.future.done():
                continue
            if isinstance(outcome, LedgerError):
                entry.future.set_exception(outcome)
            else:
                entry.future.set_result(outcome)
        if newest:
            self._on_commit(newest)


def _apply(connection: Connection, entry: What, outcomes: Iterator[Committed | KeyTaken]) -> Outcome:
    """The outcome of a record is the next one; the others are done here."""
    if isinstance(entry, Record | Spooled):
        return next(outcomes)
    if isinstance(entry, Disposition):
        dispose(connection, entry)
    if isinstance(entry, Change):
        return entry.work(connection)
    if isinstance(entry, Hold):
        hold(connection, entry)
    if isinstance(entry, NewThresholds):
        return change(connection, entry)
    return entry


def _record(entry: What) -> Record | None:
    if isinstance(entry, Spooled):
        return entry.record
    return entry if isinstance(entry, Record) else None


def _is_away(error: Exception) -> bool:
    """Whether nothing is wrong with what was to be committed; or it may be committed, and nobody knows."""
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_lost or isinstance(error, OperationalError | InterfaceError)


def _refusal(error: Exception) -> LedgerError:
    if isinstance(error, LedgerError):
        return error
    try:
        with translated("take the record"):
            raise error
    except LedgerUnavailable as refusal:
        return refusal
    except Exception as fault:
        log.exception("a record cannot be kept")
        return LedgerUnavailable(f"the ledger cannot hold this record: {type(fault).__name__}: {fault}")
