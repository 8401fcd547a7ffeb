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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from app.batching import next_batch
from app.job import Job, Timing, outcome_of
from app.pool_errors import Draining, InspectionTimeout, QueueFull, WorkerLost
from app.work import ModelRef, Scored
from app.worker import Answer, Loader, Pictures, work

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # workers that may die over one picture
LONGEST_PAUSE = 5.0  # seconds between two starts of a worker that keeps dying
IDLE_CHECK = 0.5  # seconds between two looks at an idle worker
GRACE = 5.0  # seconds that a worker gets to end by itself


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How much may wait, run together and stay in memory."""

    queue: int = 64
    batch: int = 8
    timeout_s: float = 30.0
    resident_bytes: int = 4 << 30


class Pool:
    """The queue and one worker process per device."""

    def __init__(self, devices: Sequence[str], loader: Loader, limits: PoolLimits) -> None:
        self._loader = loader
        self._limits = limits
        self._waiting: deque[Job] = deque()
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
    def is_ready(self) -> bool:
        """Whether some worker that is alive has loaded a model and scored its golden pictures."""
        return any(lane.is_up and lane.has_loaded for lane in self._lanes)

    @property
    def workers_up(self) -> int:
        """Workers whose process is alive."""
        return sum(lane.is_up for lane in self._lanes)

    @property
    def resident_bytes(self) -> dict[str, int]:
        """Device → bytes of weights in its worker's memory."""
        return {lane.device: lane.resident_bytes for lane in self._lanes}

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
        job = Job(model, pixels, loop.create_future(), loop)
        with self._changed:
            if self._stopping:
                raise Draining("the service is stopping and takes no more work")
            if len(self._waiting) >= self._limits.queue and pixels is not None:
                raise QueueFull(f"{len(self._waiting)} pictures are waiting already")
            self._waiting.append(job)
            self._changed.notify()
        return await job.future

    def take(self) -> list[Job] | None:
        """The next batch; an empty one when none came for a while, None when the pool stops and nothing waits."""
        with self._changed:
            if not self._waiting and not self._stopping:
                self._changed.wait(IDLE_CHECK)
            live = [job for job in self._waiting if not job.future.done()]
            # what a dead worker held stands at the front and runs alone: only the picture that kills dies thrice
            limit = 1 if live and live[0].attempts else self._limits.batch
            places = set(next_batch([job.model for job in live], limit))
            self._waiting = deque(job for place, job in enumerate(live) if place not in places)
            if not places and self._stopping:
                return None
            return [live[place] for place in sorted(places)]

    def give_back(self, jobs: Sequence[Job]) -> None:
        """What a dead worker held goes to the front, or is given up after MAX_ATTEMPTS."""
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
            target=work, args=(theirs, device, self._loader, self._limits.resident_bytes), daemon=True
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
        self._loaded: dict[str, ModelRef] = {}
        self.resident_bytes = 0
        self._pool = pool
        self.thread = threading.Thread(target=self._run, name=f"lane-{device}", daemon=True)

    @property
    def is_up(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.is_alive()

    @property
    def has_loaded(self) -> bool:
        """Whether this process, not the one before it, has loaded a model."""
        return bool(self._loaded)

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
                self._keep_alive()
                if jobs:
                    self._serve(jobs)
                pause = 0.0
            except (EOFError, OSError) as error:
                log.warning("worker on %s is lost: %r", self.device, error)
                if self.process is not None:
                    self.process.join(GRACE)
                self._pool.give_back(jobs)
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, max(0.1, 2 * pause))

    def _keep_alive(self) -> None:
        """Start the process, or another one with the same models where it has died, also while nothing waited."""
        if self.is_up:
            return
        lost, self._loaded, self.resident_bytes = self._loaded, {}, 0
        if self.process is not None:
            log.error("worker on %s died (exit %s); starting another", self.device, self.process.exitcode)
            self._pool.restarts += 1
        self.process, self._pipe = self._pool.spawn(self.device)
        for model in lost.values():
            self._exchange(model, [])

    def _exchange(self, model: ModelRef, pictures: Pictures) -> Answer:
        if self._pipe is None:
            raise EOFError("no worker")
        self._pipe.send((model, pictures))
        answer: Answer = self._pipe.recv()
        self.resident_bytes = answer.resident_bytes
        if answer.refused is None and answer.fault is None and answer.too_large is None:
            self._loaded[model.digest] = model
            self._pool.golden_delta[model.product] = answer.golden_delta
        self._loaded = {digest: self._loaded[digest] for digest in answer.resident if digest in self._loaded}
        return answer

    def _serve(self, jobs: list[Job]) -> None:
        """All pictures at once; when that raises, one by one, so that a picture can only hurt itself."""
        started = time.perf_counter()
        pictures = [job.pixels for job in jobs if job.pixels is not None]
        answer = self._exchange(jobs[0].model, pictures)
        if answer.fault is not None and len(jobs) > 1:
            for job in jobs:
                self._serve([job])
            return
        device_ms = (time.perf_counter() - started) * 1000
        results = iter(answer.results)
        for job in jobs:
            result = next(results, None) if job.pixels is not None else None
            job.finish(outcome_of(job, answer, result, Timing((started - job.queued_at) * 1000, device_ms, len(jobs))))
