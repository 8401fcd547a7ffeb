"""One station of a target: its records go out one after the other, and nothing overtakes.

In: how far there is something to send. Out: calls of `deliver`, in order. Refuses nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

from app.delivery.positions import DeadLetter
from app.ledger.record import Record

Fetch = Callable[[str, int, int], Awaitable[list[Record]]]
Deliver = Callable[[Record], Awaitable[DeadLetter | None]]


class Station:
    """Belongs to the event loop of the deliveries."""

    def __init__(self, name: str, seq: int) -> None:
        self.name = name
        self.seq = seq
        """Delivered, or put aside, up to here."""
        self.waiting = 0
        self.oldest: str | None = None
        """When the record was decided that is tried now."""
        self.dead: list[DeadLetter] = []
        """Put aside, and not written down yet."""
        self._until = seq
        self._more = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether there is something to send."""
        return self.seq < self._until

    def expect(self, count: int, until: int) -> None:
        """`count` more, the last of them of the number `until`."""
        if until > self._until:
            self._until = until
            self.waiting += count
            self._more.set()

    async def run(self, fetch: Fetch, deliver: Deliver) -> None:
        """Send what is expected, for ever."""
        while True:
            self.oldest = None
            await self._more.wait()
            until = self._until
            records = await fetch(self.name, self.seq, until)
            for record in records:
                await self._send(record, deliver)
            if not records:  # retired meanwhile
                self.seq = until
            if not self.is_behind:
                self.waiting = 0
                self._more.clear()

    async def _send(self, record: Record, deliver: Deliver) -> None:
        self.oldest = record.decided_at
        letter = await deliver(record)
        if letter is not None:
            self.dead.append(letter)
        self.seq = record.seq
        self.waiting -= 1
