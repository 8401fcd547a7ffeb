"""Bounded queue → worker processes → answers.

In: decoded pictures with the model that shall score them. Out: `Scored`. Refuses: what app/pool_errors.py draws.
One thread per device owns its process: it takes the next batch, sends it, waits. A worker that dies is started again,
and what it held goes back to the front of the queue: inspection is a pure function, so it may run twice.
"""

import asyncio
import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from app.batching import next_batch
from app.pool_errors import (
    Draining,
    InspectionFailed,
    InspectionTimeout,
    ModelUnavailable,
    PoolError,
    QueueFull,
    WorkerLost,
)
from app.work import ModelRef, Scored
from app.worker import Answer, Loader, work

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # workers that may die over one picture
LONGEST_PAUSE = 5.0  # seconds between two starts of a worker that keeps dying
GRACE = 5.0  # seconds that a worker gets to end by itself


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may wait, run together and stay in memory."""

    queue: int = 64
    batch: int = 8
    timeout_s: float = 30.0
    resident_models: int = 8


@dataclass
class _Job:
    model: ModelRef
    pixels: npt.NDArray[np.uint8] | None
    """None only loads the model."""
    future: asyncio.Future[Scored]
    loop: asyncio.AbstractEventLoop
    queued_at: float = field(default_factory=time.perf_counter)
    attempts: int = 0

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


class Pool:
    """The queue and one worker process per device."""

    def __init__(self, devices: Sequence[str], loader: Loader, limits: PoolLimits) -> None:
        self._loader = loader
        self._limits = limits
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._lanes = [_Lane(device, self) for device in devices]
        self.restarts = 0
        self.golden_delta: dict[str, float] = {}
        """Product → largest golden |Δscore| of the version that was loaded last."""

    def start(self) -> None:
        """Start the workers; they come up in the background."""
        for lane in self._lanes:
            lane.thread.start()

    @property
    def waiting(self) -> int:
        """Pictures in the queue."""
        return len(self._waiting)

    @property
    def workers_up(self) -> int:
        """Workers whose process is alive."""
        return sum(lane.is_up for lane in self._lanes)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are alive."""
        return tuple(lane.process.pid for lane in self._lanes if lane.is_up and lane.process and lane.process.pid)

    async def prepare(self, model: ModelRef) -> None:
        """Load a model on a worker and score its golden pictures; `ModelUnavailable` when it refuses."""
        await self._ask(model, None)

    async def submit(self, model: ModelRef, pixels: npt.NDArray[np.uint8]) -> Scored:
        """Score one picture (H,W,3) uint8."""
        try:
            return await asyncio.wait_for(self._ask(model, pixels), self._limits.timeout_s)
        except TimeoutError as exc:
            raise InspectionTimeout(f"no answer from a worker within {self._limits.timeout_s:g} s") from exc

    async def drain(self, timeout_s: float) -> None:
        """Take no more work, answer what is held, end the workers."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for lane in self._lanes:
            await asyncio.to_thread(lane.thread.join, timeout_s)
            lane.kill()

    async def _ask(self, model: ModelRef, pixels: npt.NDArray[np.uint8] | None) -> Scored:
        loop = asyncio.get_running_loop()
        job = _Job(model, pixels, loop.create_future(), loop)
        with self._changed:
            if self._stopping:
                raise Draining("the service is stopping and takes no more work")
            if len(self._waiting) >= self._limits.queue and pixels is not None:
                raise QueueFull(f"{len(self._waiting)} pictures are waiting already")
            self._waiting.append(job)
            self._changed.notify()
        return await job.future

    def take(self) -> list[_Job] | None:
        """The next batch, as soon as there is one; None when the pool is stopping and nothing waits."""
        with self._changed:
            while True:
                live = [job for job in self._waiting if not job.future.done()]
                places = set(next_batch([job.model for job in live], self._limits.batch))
                if places:
                    self._waiting = deque(job for place, job in enumerate(live) if place not in places)
                    return [live[place] for place in sorted(places)]
                self._waiting.clear()
                if self._stopping:
                    return None
                self._changed.wait()

    def give_back(self, jobs: Sequence[_Job]) -> None:
        """What a dead worker held goes to the front, or is given up after MAX_ATTEMPTS."""
        self.restarts += 1
        for job in jobs:
            job.attempts += 1
        lost = [job for job in jobs if job.attempts >= MAX_ATTEMPTS]
        for job in lost:
            job.finish(WorkerLost(f"{MAX_ATTEMPTS} workers died while they held this picture"))
        with self._changed:
            self._waiting.extendleft(reversed([job for job in jobs if job not in lost]))
            self._changed.notify()

    def spawn(self, device: str) -> tuple[BaseProcess, Connection]:
        """A new worker process and our end of its pipe."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, device, self._loader, self._limits.resident_models), daemon=True
        )
        process.start()
        theirs.close()
        return process, ours


class _Lane:
    """One device: its thread, and the process that it keeps alive."""

    def __init__(self, device: str, pool: Pool) -> None:
        self.device = device
        self.process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._pool = pool
        self.thread = threading.Thread(target=self._run, name=f"lane-{device}", daemon=True)

    @property
    def is_up(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._pipe is not None:
            self._pipe.close()
        if self.process is not None:
            self.process.join(GRACE)
            self.process.kill()

    def _run(self) -> None:
        pause = 0.0
        while (jobs := self._pool.take()) is not None:
            try:
                self._serve(jobs)
                pause = 0.0
            except (EOFError, OSError):
                self._replace(pause)
                pause = min(LONGEST_PAUSE, max(0.1, 2 * pause))
                self._pool.give_back(jobs)

    def _replace(self, pause: float) -> None:
        code = None
        if self.process is not None:
            self.process.join(GRACE)
            code = self.process.exitcode
        log.error("worker on %s died (exit %s); starting another", self.device, code)
        time.sleep(pause)
        self.process, self._pipe = self._pool.spawn(self.device)

    def _serve(self, jobs: list[_Job]) -> None:
        if self._pipe is None:
            self.process, self._pipe = self._pool.spawn(self.device)
        started = time.perf_counter()
        self._pipe.send((jobs[0].model, [job.pixels for job in jobs if job.pixels is not None]))
        answer: Answer = self._pipe.recv()
        device_ms = (time.perf_counter() - started) * 1000
        if answer.unavailable is None:
            self._pool.golden_delta[jobs[0].model.product] = answer.golden_delta
        results = iter(answer.results)
        for job in jobs:
            queue_ms = (started - job.queued_at) * 1000
            result = None if job.pixels is None or answer.unavailable else next(results)
            job.finish(_outcome(answer, result, _Timing(queue_ms, device_ms, len(jobs))))


@dataclass(frozen=True)
class _Timing:
    queue_ms: float
    device_ms: float
    batch_size: int


def _outcome(
    answer: Answer, result: tuple[float, npt.NDArray[np.float32]] | str | None, timing: _Timing
) -> Scored | PoolError:
    if answer.unavailable is not None:
        return ModelUnavailable(answer.unavailable)
    if isinstance(result, str):
        return InspectionFailed(result)
    score, heatmap = result if result is not None else (0.0, np.empty((0, 0), np.float32))
    return Scored(score, heatmap, timing.queue_ms, timing.device_ms, timing.batch_size)
