"""Decoded pictures → worker processes, one per device → scores.

In: decoded pictures with the model that shall score them, and their deadline. Out: `Scored`. Refuses: what
app/pool_errors.py draws. What waits is in app/backlog.py, each device's worker in app/lane.py.
"""

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.backlog import Backlog
from app.batching import BatchLimits
from app.crew import Crew
from app.job import Job
from app.lane import Join, Lane
from app.pace import Pace
from app.pool_errors import DeadlineMissed, InspectionTimeout, NoWorker
from app.residency import Pins
from app.work import ModelRef, Scored
from app.worker import Loader
from app.worker_process import TimeLimits, WorkerProcess

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of CPU time in so many microseconds
LOOK_S = 0.2  # between two looks for workers that do not answer


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may run together, how long for, and how much stays in memory."""

    batch: BatchLimits = field(default_factory=lambda: BatchLimits(8))
    timeout_s: float = 30.0
    resident_bytes: int = 4 << 30
    time: TimeLimits = field(default_factory=TimeLimits)
    join: Join = "auto"
    """Whether a batch may be of several products that are seen alike; `auto`: on every device but a CPU, where
    answers would wait for each other for too little (docs/adr/0016)."""
    cpu_threads: int = 0
    """Of one worker; 0: the cores but one, shared evenly among the workers."""


class Pool:
    """The backlog and one worker process per device."""

    def __init__(self, devices: Sequence[str], loader: Loader, limits: PoolLimits) -> None:
        self._loader = loader
        self._limits = limits
        self._cpu_threads = limits.cpu_threads or share_cores(count_cores(), len(devices))
        self.pins = Pins()
        """Models that must stay in memory: those that serve, and those that were prepared."""
        self._backlog = Backlog(limits.batch, Pace())
        crew = Crew(self._backlog, self.pins, limits.resident_bytes)
        self.lanes = crew.lanes = tuple(
            Lane(device, backlog=self._backlog, spawn=self._spawn, fellows=crew, join=limits.join) for device in devices
        )
        self._is_over = threading.Event()

    def start(self) -> None:
        """Start the workers; they come up in the background."""
        for lane in self.lanes:
            lane.start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

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
    def hangs(self) -> int:
        """Workers killed because they did not answer."""
        return sum(lane.hangs for lane in self.lanes)

    @property
    def out_of_memory(self) -> int:
        """Batches that a device had no room for."""
        return sum(lane.out_of_memory for lane in self.lanes)

    def batch_limit(self, digest: str) -> int:
        """The largest batch of a model; less than the setting where a device had no room."""
        return self._backlog.batch_limit(digest)

    @property
    def resident_bytes(self) -> dict[str, int]:
        """Device → bytes of weights in the memory of its workers."""
        return {
            device: sum(lane.residency.bytes for lane in self.lanes if lane.device == device)
            for device in {lane.device for lane in self.lanes}
        }

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

    async def submit(
        self,
        model: ModelRef,
        pixels: npt.NDArray[np.uint8],
        *,
        deadline: float = math.inf,
        on_accusation: Callable[[int], None] | None = None,
    ) -> Scored:
        """Score one picture (H,W,3) uint8 before `deadline`, a moment of time.monotonic().

        `on_accusation` hears of every worker that died in a way that may have been the picture's doing.
        """
        if all(lane.is_gone for lane in self.lanes):
            raise NoWorker("; ".join(lane.trouble or lane.device for lane in self.lanes))
        left = deadline - time.monotonic()
        try:
            return await asyncio.wait_for(
                self._ask(model, pixels, deadline, on_accusation), min(left, self._limits.timeout_s)
            )
        except TimeoutError as exc:
            if left <= self._limits.timeout_s:
                raise DeadlineMissed("the deadline passed before the picture was scored") from exc
            raise InspectionTimeout(f"no answer from a worker within {self._limits.timeout_s:g} s") from exc

    async def drain(self, timeout_s: float) -> None:
        """Take no more work, answer what is held, end the workers."""
        self._backlog.stop()
        await asyncio.gather(*(asyncio.to_thread(lane.end, timeout_s) for lane in self.lanes))
        self._is_over.set()

    async def _ask(
        self,
        model: ModelRef,
        pixels: npt.NDArray[np.uint8] | None,
        deadline: float,
        on_accusation: Callable[[int], None] | None = None,
    ) -> Scored:
        loop = asyncio.get_running_loop()
        job = Job(
            model=model,
            pixels=pixels,
            future=loop.create_future(),
            loop=loop,
            patience_s=self._limits.timeout_s,
            deadline=deadline,
            on_accusation=on_accusation,
        )
        self._backlog.add(job)
        return await job.future

    def _spawn(self, device: str) -> WorkerProcess:
        return WorkerProcess(device, self._loader, self._limits.time, self._cpu_threads)

    def _watch(self) -> None:
        """Nothing that a worker does may stop this thread: it is the one that ends it."""
        while not self._is_over.wait(LOOK_S):
            for lane in self.lanes:
                lane.kill_if_stuck(time.monotonic())


def share_cores(cores: int, workers: int) -> int:
    """CPU threads of one worker. One core is the service's: OpenMP's threads wait for each other at every step, so one
    that has to share its core holds up all of them, and under load a worker that has every core gets almost nothing
    done (benchmarks/README.md, overload)."""
    return max(1, (cores - 1) // max(1, workers))


def count_cores(quota: Path = QUOTA) -> int:
    """Those that this process may use; where a container has a quota of CPU time, no more than that is worth."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no Linux, no cgroup v2, or "max"
        share, period = quota.read_text().split()
        cores = min(cores, max(1, round(int(share) / int(period))))
    return cores
