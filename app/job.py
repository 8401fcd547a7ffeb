"""One picture, or one model to load, from the queue to its caller.

In: what a worker answered. Out: the caller's `Scored`, or the error that it is told. Refuses nothing; a caller that has
gone away is left alone.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.batching import Waiter
from app.pool_errors import InspectionFailed, PoolError
from app.work import ModelRef, Scored
from app.worker import Answer, Result

LOADED = Scored(0.0, np.empty((0, 0), np.float32), 0.0, 0.0, 0)
"""What a caller is told that only wanted the model loaded."""


@dataclass(kw_only=True, eq=False)
class Job:
    """What waits, and who waits for it."""

    model: ModelRef
    pixels: npt.NDArray[np.uint8] | None
    """None only loads the model."""
    future: asyncio.Future[Scored]
    loop: asyncio.AbstractEventLoop
    patience_s: float
    """How long it waits where there is no deadline; an order among those that have none."""
    deadline: float = math.inf
    """Of time.monotonic(); past it the score is of no use."""
    queued_at: float = field(default_factory=time.monotonic)
    on_accusation: Callable[[int], None] | None = None
    """Called on the loop with what a death counts, also where the caller has gone: the same picture may come again."""
    alone: bool = False
    """A worker died while it held it: it runs with nobody else."""
    guilt: int = 0
    """What the deaths count that may have been its doing."""

    @property
    def waiter(self) -> Waiter:
        """Itself, as the policy sees it."""
        return Waiter(
            product=self.model.product,
            model=self.model.digest,
            sight=self.model.sight,
            since=self.queued_at,
            due=min(self.deadline, self.queued_at + self.patience_s),
            alone=self.alone,
        )

    def accuse(self, count: int) -> None:
        """A worker may have died of it."""
        self.guilt += count
        if self.on_accusation is not None:
            self.loop.call_soon_threadsafe(self.on_accusation, count)

    def finish(self, outcome: Scored | PoolError) -> None:
        """Give the caller an outcome, from any thread; one that has gone away is left alone."""
        self.loop.call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: Scored | PoolError) -> None:
        if self.future.done():
            return
        if isinstance(outcome, PoolError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


@dataclass(frozen=True)
class Timing:
    """Of one job in its batch."""

    queue_ms: float
    device_ms: float
    batch_size: int
    device: str = ""


def outcome_of(answer: Answer, result: Result | None, timing: Timing) -> Scored | PoolError:
    """What the caller of one picture is told; `result` is None where the whole batch failed."""
    if result is None:
        return InspectionFailed(answer.fault or answer.refused or "the worker gave no result")
    score, heatmap = result
    return Scored(score, heatmap, timing.queue_ms, timing.device_ms, timing.batch_size, timing.device)
