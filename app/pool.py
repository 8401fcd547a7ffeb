"""Decoded pictures → worker processes, one per device → scores.

In: decoded pictures with the model that shall score them, and their deadline. Out: `Scored`. Refuses: what
app/pool_errors.py draws. What waits is in app/backlog.py, each device's worker in app/lane.py.
"""

import asyncio
import math
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from app.backlog import Backlog
from app.batching import BatchLimits
from app.job import Job
from app.lane import Lane
from app.pace import Pace
from app.pool_errors import DeadlineMissed, InspectionTimeout, NoWorker
from app.work import ModelRef, Scored
from app.worker import Loader, work


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may run together, how long for, and how much stays in memory."""

    batch: BatchLimits = field(default_factory=lambda: BatchLimits(8))
    timeout_s: float = 30.0
    resident_bytes: int = 4 << 30


class Pool:
    """The backlog and one worker process per device."""

    def __init__(self, devices: Sequence[str], loader: Loader, limits: PoolLimits) -> None:
        self._loader = loader
        self._limits = limits
        pace = Pace()
        self._backlog = Backlog(limits.batch, pace)
        self.lanes = tuple(Lane(device, backlog=self._backlog, pace=pace, spawn=self._spawn) for device in devices)

    def start(self) -> None:
        """Start the workers; they come up in the background."""
        for lane in self.lanes:
            lane.thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that no worker has taken yet."""
        return len(self._backlog)

    @property
    def is_ready(self) -> bool:
        """Whether some worker that is alive has loaded a model and scored its golden pictures."""
        return any(lane.is_up and lane.loaded for lane in self.lanes)

    @property
    def workers_up(self) -> int:
        """Workers whose process is alive."""
        return sum(lane.is_up for lane in self.lanes)

    @property
    def restarts(self) -> int:
        """Workers started again."""
        return sum(lane.restarts for lane in self.lanes)

    @property
    def resident_bytes(self) -> dict[str, int]:
        """Device → bytes of weights in its worker's memory."""
        return {lane.device: lane.resident_bytes for lane in self.lanes}

    @property
    def golden_delta(self) -> dict[str, float]:
        """Product → largest golden |Δscore| of the version that was loaded last, on the device where it is largest."""
        found: dict[str, float] = {}
        for lane in self.lanes:
            for product, delta in tuple(lane.golden_delta.items()):
                found[product] = max(delta, found.get(product, 0.0))
        return found

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are alive."""
        return tuple(lane.pid for lane in self.lanes if lane.pid is not None)

    async def prepare(self, model: ModelRef) -> None:
        """Load a model on a worker and score its golden pictures; `ModelUnavailable` when it refuses."""
        await self._ask(model, None, math.inf)

    async def submit(self, model: ModelRef, pixels: npt.NDArray[np.uint8], *, deadline: float = math.inf) -> Scored:
        """Score one picture (H,W,3) uint8 before `deadline`, a moment of time.monotonic()."""
        if all(lane.is_gone for lane in self.lanes):
            raise NoWorker("; ".join(lane.trouble or lane.device for lane in self.lanes))
        left = deadline - time.monotonic()
        try:
            return await asyncio.wait_for(self._ask(model, pixels, deadline), min(left, self._limits.timeout_s))
        except TimeoutError as exc:
            if left <= self._limits.timeout_s:
                raise DeadlineMissed("the deadline passed before the picture was scored") from exc
            raise InspectionTimeout(f"no answer from a worker within {self._limits.timeout_s:g} s") from exc

    async def drain(self, timeout_s: float) -> None:
        """Take no more work, answer what is held, end the workers."""
        self._backlog.stop()
        await asyncio.gather(*(asyncio.to_thread(lane.end, timeout_s) for lane in self.lanes))

    async def _ask(self, model: ModelRef, pixels: npt.NDArray[np.uint8] | None, deadline: float) -> Scored:
        loop = asyncio.get_running_loop()
        job = Job(
            model=model,
            pixels=pixels,
            future=loop.create_future(),
            loop=loop,
            patience_s=self._limits.timeout_s,
            deadline=deadline,
        )
        self._backlog.add(job)
        return await job.future

    def _spawn(self, device: str) -> tuple[BaseProcess, Connection]:
        """A new worker process and our end of its pipe."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, device, self._loader, self._limits.resident_bytes), daemon=True
        )
        process.start()
        theirs.close()
        return process, ours
