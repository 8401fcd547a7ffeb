"""Whoever waits for the next verdict → woken when one is committed, by this process or by another.

In: numbers of commits. Out: the end of a wait. Refuses nothing. This process's commits wake at once; those of others on
the same database are looked for every `TICK_S`, once for all who wait, and not at all while nobody does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from app.ledger.errors import LedgerError

TICK_S = 0.25


class Feed:
    """The newest number, and who waits for a newer one. Belongs to the event loop."""

    def __init__(self, head: int, look: Callable[[], Awaitable[int]]) -> None:
        self.head = head
        self._look = look
        self._advanced = asyncio.Event()
        self._waiting = 0
        self._watch: asyncio.Task[None] | None = None
        self._is_closed = False

    def advance(self, seq: int) -> None:
        """Verdicts up to `seq` can be read."""
        if seq > self.head:
            self.head = seq
            self._wake()

    def close(self) -> None:
        """Nobody waits any longer than a tick from now on: the service is about to stop."""
        self._is_closed = True
        self._wake()

    async def close_after(self, stopping: asyncio.Event) -> None:
        """Close as soon as the service is about to stop, or those who wait would hold it up."""
        await stopping.wait()
        self.close()

    async def beyond(self, seq: int, wait_s: float) -> bool:
        """Whether there is a verdict after `seq`, waiting for one at most `wait_s` seconds."""
        end = time.monotonic() + wait_s
        self._waiting += 1
        try:
            while self.head <= seq and (left := end - time.monotonic()) > 0:
                if self._watch is None or self._watch.done():
                    self._watch = asyncio.create_task(self._look_around())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._advanced.wait(), min(left, TICK_S) if self._is_closed else left)
                if self._is_closed:
                    break
        finally:
            self._waiting -= 1
        return self.head > seq

    def _wake(self) -> None:
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def _look_around(self) -> None:
        while self._waiting:
            await asyncio.sleep(TICK_S)
            with suppress(LedgerError):  # told to those who read, not to those who wait
                self.advance(await self._look())
