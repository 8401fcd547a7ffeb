"""All targets, in a thread and an event loop of their own: whatever hangs there hangs no inspection.

In: targets with their channels, and the ledger. Out: deliveries; how each target is. Refuses: a replay of a target that
is not there (`UnknownTarget`).
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL

from app.delivery import positions
from app.delivery.claim import claim_of
from app.delivery.courier import Courier
from app.delivery.errors import UnknownTarget
from app.delivery.mqtt import MqttChannel
from app.delivery.positions import DeadLetter
from app.delivery.sender import Channel
from app.delivery.state import TargetState
from app.delivery.targets import AnyTarget, Mqtt, Webhook, read_targets
from app.delivery.webhook import WebhookChannel
from app.ledger.ledger import Ledger

log = logging.getLogger(__name__)
AGAIN_S = 5.0  # after a fault of ours
STOP_S = 5.0  # that a stop waits for what is being written down


def open_channels(path: Path | None) -> list[tuple[AnyTarget, Channel]]:
    """Every target of the file, and the way to it; nothing is connected yet. `BadTargets`."""
    return [(target, _channel(target)) for target in read_targets(path)]


def _channel(target: AnyTarget) -> Channel:
    return MqttChannel(target) if isinstance(target, Mqtt) else WebhookChannel(target)


class Deliveries:
    """The thread. Where there are no targets there is none."""

    def __init__(self, channels: Sequence[tuple[AnyTarget, Channel]], ledger: Ledger, url: URL) -> None:
        self._ledger = ledger
        reading = asyncio.Semaphore(1)
        self._couriers = {
            target.name: Courier(target, channel, ledger, claim_of(url, target.name), reading)
            for target, channel in channels
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_to_stop = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin, or go on where the ledger says."""
        if self._couriers:
            self._thread.start()
            self._ledger.feed.listen(lambda: self._tell(self._nudge))

    async def stop(self) -> None:
        """Write down how far each has come, and end; what is on its way is sent again by the next start."""
        self._is_to_stop = True
        if self._thread.is_alive():
            self._tell(lambda: self._stopping.set() if self._stopping else None)
            await asyncio.to_thread(self._thread.join, STOP_S)

    def states(self) -> list[TargetState]:
        """All targets, by name."""
        now = datetime.now(UTC)
        return [_state(name, courier, now) for name, courier in sorted(self._couriers.items())]

    def state(self, name: str) -> TargetState:
        """One of them."""
        return _state(name, self._courier(name), datetime.now(UTC))

    async def dead(self, name: str) -> list[DeadLetter]:
        """The newest verdicts that were put aside."""
        self._courier(name)
        _, letters = await self._ledger.ask(positions.dead, name)
        return letters

    async def replay(self, name: str, after: int) -> None:
        """Deliver everything after the number `after`, again or at last; what lies before it is given up."""
        courier = self._courier(name)
        await self._ledger.change(partial(positions.rewind, name=name, seq=after))
        self._tell(courier.doubt)

    def _courier(self, name: str) -> Courier:
        courier = self._couriers.get(name)
        if courier is None:
            raise UnknownTarget(f"no target is named {name!r}")
        return courier

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        tasks = [asyncio.create_task(self._watched(courier)) for courier in self._couriers.values()]
        if not self._is_to_stop:
            await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, courier: Courier) -> None:
        """As the worker loop: a fault of ours in one target is logged, and the target goes on."""
        while True:
            try:
                await courier.run()
            except Exception:
                log.exception("target %s", courier.target.name)
            await asyncio.sleep(AGAIN_S)

    def _nudge(self) -> None:
        for courier in self._couriers.values():
            courier.nudge()

    def _tell(self, what: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(what)


def _state(name: str, courier: Courier, now: datetime) -> TargetState:
    target, sender = courier.target, courier.sender
    return TargetState(
        target=name,
        kind="webhook" if isinstance(target, Webhook) else "mqtt",
        place=target.place,
        serves=courier.serves,
        trouble=sender.trouble,
        waiting=courier.waiting,
        oldest_s=round(courier.oldest_s(now), 3),
        delivered=sender.delivered,
        failed=sender.failed,
        dead=courier.dead,
        position=courier.position,
        is_away=sender.is_away,
    )
