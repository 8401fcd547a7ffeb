"""One target: finds out which stations have something for it, lets each send, and writes down how far they have come.

In: the ledger. Out: deliveries, and positions in the ledger. Refuses nothing: while the ledger is away it waits.
What was delivered is written down every SAVE_S and not one by one: a crash repeats what came after, and loses nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from app.delivery import outbox, positions
from app.delivery.claim import Claim
from app.delivery.positions import DeadLetter, Position, Progress
from app.delivery.sender import Channel, Sender
from app.delivery.station import Station
from app.delivery.targets import Target
from app.ledger.errors import LedgerError
from app.ledger.ledger import Ledger
from app.ledger.reading import WINDOW
from app.ledger.record import Record

log = logging.getLogger(__name__)
SAVE_S = 0.2
POLL_S = 1.0  # between looks for what other processes have committed, replayed or given up
T = TypeVar("T")
P = ParamSpec("P")


class _Moved(Exception):
    """A replay, or another process, has taken the positions."""


class Courier:
    """Belongs to the event loop of the deliveries; its counts are read by others."""

    def __init__(
        self, target: Target, channel: Channel, ledger: Ledger, claim: Claim, reading: asyncio.Semaphore
    ) -> None:
        """`reading` bounds the questions of all targets: those of clients shall not wait for a backlog."""
        self.target = target
        self.sender = Sender(target, channel)
        self.dead = 0
        """Verdicts that are put aside."""
        self.serves = False
        """Whether this process is the one that delivers."""
        self.position = 0
        """Everything up to here is done."""
        self._channel = channel
        self._ledger = ledger
        self._claim = claim
        self._reading = reading
        self._stations: dict[str, Station] = {}
        self._scanned = 0
        self._saved = Position(0, 0)
        self._epoch = 0
        self._nudged = asyncio.Event()
        self._doubted = False

    @property
    def waiting(self) -> int:
        """Verdicts that were looked at and are not delivered."""
        return sum(station.waiting for station in tuple(self._stations.values()))

    def oldest_s(self, now: datetime) -> float:
        """Age of the oldest verdict that is being tried; 0 where none is."""
        moments = [station.oldest for station in tuple(self._stations.values()) if station.oldest is not None]
        if not moments:
            return 0.0
        return max(0.0, (now - datetime.fromisoformat(min(moments)).astimezone(UTC)).total_seconds())

    def nudge(self) -> None:
        """There may be something new."""
        self._nudged.set()

    def doubt(self) -> None:
        """The positions may have been moved."""
        self._doubted = True

    async def run(self) -> None:
        """Deliver for ever, while this process is the one that does."""
        async with self._channel:
            try:
                while True:
                    if await self._claims():
                        await self._serve()
                    else:
                        await asyncio.sleep(POLL_S)
            finally:
                self._claim.release()

    async def _claims(self) -> bool:
        self.serves = await asyncio.to_thread(self._claim.holds)
        return self.serves

    async def _serve(self) -> None:
        """From the positions in the ledger, until a replay moves them or the claim is lost."""
        name = self.target.name
        take = partial(positions.take, name=name, begin=self.target.begin)
        self._saved = await self._insist(self._ledger.change, take)
        self.dead, _ = await self._ask(positions.dead, name)
        self._epoch, self._scanned = self._saved.epoch, self._saved.seq
        self._stations, self.position = {}, self._scanned
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._scan(tasks))
                await self._keep()
                raise _Moved
        except* _Moved:
            log.info("target %s: its positions are somebody else's now", name)
        finally:
            with suppress(LedgerError, TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._save()

    async def _scan(self, tasks: asyncio.TaskGroup) -> None:
        """Tell the stations what there is for them; a station that is new gets a task of its own."""
        while True:
            self._nudged.clear()
            found = await self._ask(outbox.look, self.target, self._scanned)
            if found.skipped:
                log.error(
                    "target %s: up to %d verdicts were retired before it got them", self.target.name, found.skipped
                )
            for waiting in found.stations:
                station = self._stations.get(waiting.station) or self._begin(waiting.station, tasks)
                await self._expect(station, waiting, found.until)
            self._scanned = found.until
            if not found.has_more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):  # wait_for of Python 3.11 can lose a cancellation
                        await self._nudged.wait()

    def _begin(self, name: str, tasks: asyncio.TaskGroup) -> Station:
        station = Station(name, max(self._saved.seq, self._saved.stations.get(name, 0)))
        self._stations[name] = station
        tasks.create_task(station.run(self._fetch, self.sender.deliver))
        return station

    async def _expect(self, station: Station, waiting: outbox.Waiting, until: int) -> None:
        count = waiting.count
        if self._scanned < station.seq:  # it had come further than the others before a restart
            count = await self._ask(outbox.count, self.target, station.name, station.seq, until)
        station.expect(count, waiting.last_seq)

    async def _fetch(self, station: str, after: int, until: int) -> list[Record]:
        return await self._ask(outbox.page, self.target, station, after, until)

    async def _keep(self) -> None:
        """Write down what was delivered; return where somebody else has moved the positions, or delivers now."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            await asyncio.sleep(SAVE_S)
            if not await self._insist(self._save):
                return
            if self._doubted or loop.time() - looked > POLL_S:
                looked, self._doubted = loop.time(), False
                if await self._ask(positions.epoch, self.target.name) != self._epoch or not await self._claims():
                    return

    async def _save(self) -> bool:
        """Whether the positions are still ours to move."""
        progress = self._progress()
        moved = progress.stations or progress.dead or progress.seq - self._saved.seq >= WINDOW
        if not moved:
            return True
        if not await self._ledger.change(partial(positions.advance, progress=progress)):
            return False
        for letter in progress.dead:
            self._stations[letter.station].dead.remove(letter)
        self.dead += len(progress.dead)
        self._saved = Position(self._epoch, progress.seq, {**self._saved.stations, **progress.stations})
        self.position = progress.seq
        return True

    def _progress(self) -> Progress:
        stations = tuple(self._stations.values())
        done = min([self._scanned, *(station.seq for station in stations if station.is_behind)])
        known = self._saved.stations
        moved = {each.name: each.seq for each in stations if each.seq > max(self._saved.seq, known.get(each.name, 0))}
        dead: list[DeadLetter] = [letter for station in stations for letter in station.dead]
        return Progress(target=self.target.name, epoch=self._epoch, seq=done, stations=moved, dead=dead)

    async def _ask(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        async def once() -> T:
            async with self._reading:
                return await self._ledger.ask(question, *args, **kwargs)

        return await self._insist(once)

    async def _insist(self, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it as soon as the ledger lets us: what was delivered meanwhile is not forgotten."""
        while True:
            try:
                return await work(*args, **kwargs)
            except LedgerError as error:
                log.warning("target %s waits for the ledger: %s", self.target.name, error)
                await asyncio.sleep(POLL_S)
