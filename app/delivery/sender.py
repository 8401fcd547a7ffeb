"""The tries of one target: when, how often, and what a failure means for all of its stations.

In: records. Out: None once the receiver has it, or a dead letter. Refuses nothing: a receiver that is away is waited
for, by one station that tries while the others stand still.
"""

import asyncio
import logging
import random
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol

from app.delivery.errors import ReceiverAway, ReceiverRefused
from app.delivery.message import Message
from app.delivery.pause import pause_s
from app.delivery.positions import DeadLetter
from app.delivery.targets import Target
from app.ledger.record import Record, timestamp

log = logging.getLogger(__name__)
AT_ONCE = 8  # stations whose messages are on their way to one target at the same time


class Channel(AbstractAsyncContextManager["Channel"], Protocol):
    """A way to one receiver."""

    async def send(self, message: Message) -> None:
        """One try; `ReceiverAway`, `ReceiverRefused`."""


class Sender:
    """Belongs to the event loop of the deliveries; its counts are read by others."""

    def __init__(self, target: Target, channel: Channel) -> None:
        self._target = target
        self._channel = channel
        self._ways = asyncio.Semaphore(AT_ONCE)
        self._one = asyncio.Lock()
        self._away = 0
        self._draw = random.Random().random  # noqa: S311 -- jitter, no secret
        self.trouble: str | None = None
        """What the receiver's last failure was, until it takes something."""
        self.delivered = 0
        self.failed = 0

    @property
    def is_away(self) -> bool:
        """Whether the receiver is waited for."""
        return self._away > 0

    async def deliver(self, record: Record) -> DeadLetter | None:
        """Try until the receiver has it, or has refused it so often that it is put aside."""
        message, refusals = Message.of(record), 0
        while True:
            try:
                await self._try(message)
            except ReceiverRefused as error:
                refusals += 1
                self._note(message, error)
                if refusals >= self._target.attempts:
                    return self._dead_letter(record, refusals, str(error))
                await asyncio.sleep(pause_s(refusals, self._target.longest_pause_s, self._draw))
            else:
                return None

    async def _try(self, message: Message) -> None:
        """Once, where the receiver is there; else as often as it takes until it answers."""
        if self._away == 0:
            try:
                async with self._ways:
                    await self._send(message)
                return
            except ReceiverAway as error:
                self._note(message, error)
        async with self._one:
            while True:
                if self._away:
                    await asyncio.sleep(pause_s(self._away, self._target.longest_pause_s, self._draw))
                try:
                    await self._send(message)
                    return
                except ReceiverAway as error:
                    self._note(message, error)
                    self._away += 1

    async def _send(self, message: Message) -> None:
        try:
            await self._channel.send(message)
        except ReceiverRefused:
            self._away = 0
            raise
        self._away, self.trouble = 0, None
        self.delivered += 1

    def _note(self, message: Message, error: Exception) -> None:
        self.failed += 1
        self._away = max(self._away, 1) if isinstance(error, ReceiverAway) else self._away
        level = logging.WARNING if self.trouble is None else logging.DEBUG  # once, not once a try
        self.trouble = str(error)
        log.log(level, "target %s: verdict %s: %s", self._target.name, message.id, error)

    def _dead_letter(self, record: Record, attempts: int, reason: str) -> DeadLetter:
        log.error("target %s: verdict %s is put aside: %s", self._target.name, record.id, reason)
        return DeadLetter(
            seq=record.seq,
            verdict_id=record.id,
            station=record.station or "",
            attempts=attempts,
            reason=reason,
            at=timestamp(datetime.now(UTC)),
        )
