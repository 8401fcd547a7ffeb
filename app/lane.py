"""One device: its thread, and the process that it keeps alive.

In: batches of the backlog. Out: answers to their callers; what the worker is doing. Refuses nothing.
The thread takes the next batch, sends it, waits. A worker that dies is started again, at once the first time and then
after ever longer pauses, with the models that it had; what it held goes back to the backlog: inspection is a pure
function, so it may run twice.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal

from app.backlog import MAX_ATTEMPTS, Backlog
from app.job import Job, Timing, outcome_of, outcome_of_load
from app.load_tally import LoadTally
from app.pace import Pace
from app.pool_errors import PoolError
from app.work import ModelRef
from app.worker import Answer, Pictures

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1  # seconds before the second start in a row; each further one waits twice as long
LONGEST_PAUSE = 5.0
GRACE = 5.0  # seconds that a worker gets to end by itself
RELOADS = 2  # deaths over loading a model again, before the worker starts without it

Spawn = Callable[[str], tuple[BaseProcess, Connection]]
LaneState = Literal["starting", "idle", "busy", "backing_off", "stopped"]


class Lane:
    """One device's worker."""

    def __init__(self, device: str, *, backlog: Backlog, pace: Pace, spawn: Spawn) -> None:
        self.device = device
        self.process: BaseProcess | None = None
        self.restarts = 0
        self.resident_bytes = 0
        self.runs_on = device
        """Where the models really are: the CPU, where there is no such device."""
        self.golden_delta: dict[str, float] = {}
        """Product → largest golden |Δscore| of the version that was loaded last."""
        self.loaded: dict[str, ModelRef] = {}
        """Digest → model in the memory of this process, not of the one before it."""
        self.tally = LoadTally()
        self.state: LaneState = "starting"
        self.since = datetime.now(UTC)
        self.thread = threading.Thread(target=self._run, name=f"lane-{device}", daemon=True)
        self._backlog = backlog
        self._pace = pace
        self._spawn = spawn
        self._pipe: Connection | None = None
        self._wanted: deque[tuple[ModelRef, int]] = deque()
        self._deaths = 0
        """Since all that a batch needed was last answered; a model that loads again is not yet enough."""
        self._is_loading = False
        self._stop = threading.Event()

    @property
    def is_up(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.is_alive()

    @property
    def is_gone(self) -> bool:
        """Whether the process keeps dying. One picture may cost MAX_ATTEMPTS: those restarts are worth waiting for."""
        return self._deaths > MAX_ATTEMPTS and self.state in ("backing_off", "starting")

    @property
    def pid(self) -> int | None:
        """Of the process, while it is alive."""
        return self.process.pid if self.process is not None and self.is_up else None

    @property
    def is_degraded(self) -> bool:
        """Whether a CUDA device is wanted and the CPU does its work."""
        return self.device.startswith("cuda") and self.runs_on == "cpu"

    @property
    def trouble(self) -> str | None:
        """Why it cannot score, for a person."""
        if self.is_up and self.loaded:
            return None
        lack = "has loaded no model" if self.is_up else "is not there"
        exit_code = "" if self.process is None or self.is_up else f", last exit {self.process.exitcode}"
        return f"worker on {self.device} {lack}: {self.state.replace('_', ' ')}, {self.restarts} restarts{exit_code}"

    def end(self, timeout_s: float) -> None:
        """Wait for the thread, which ends when the backlog does, then end the process, whatever it does."""
        self.thread.join(timeout_s)
        self._stop.set()
        if self._pipe is not None:
            self._pipe.close()
        if self.process is not None:
            self.process.join(GRACE)
            self.process.kill()

    def _run(self) -> None:
        while not self._stop.is_set():
            jobs: list[Job] | None = []
            try:
                self._keep_alive()
                self._become("idle")
                jobs = self._backlog.take()
                if jobs is None:
                    break
                if jobs:
                    self._become("busy")
                    self._serve(jobs)
                    self._deaths = 0
            except (EOFError, OSError) as error:
                log.warning("worker on %s is lost: %r", self.device, error)
                deaths = 0 if isinstance(error, BrokenPipeError) else 1  # what could not be sent has killed nobody
                self._backlog.give_back(jobs or [], deaths=deaths, loading=self._is_loading)
                if self.process is not None:
                    self.process.join(GRACE)
                    self.process.kill()
        self._become("stopped")

    def _become(self, state: LaneState) -> None:
        if state != self.state:
            self.state, self.since = state, datetime.now(UTC)

    def _keep_alive(self) -> None:
        """Start the process, or another one with the same models where it has died, also while nothing waited."""
        if not self.is_up:
            if self.process is not None:
                self._bury(self.process)
            self._become("starting")
            self.process, self._pipe = self._spawn(self.device)
        while self._wanted:
            model, chances = self._wanted[0]
            self._wanted[0] = (model, chances - 1)
            if chances > 0:
                self._exchange(model, [])
            self._wanted.popleft()

    def _bury(self, process: BaseProcess) -> None:
        log.error("worker on %s died (exit %s); starting another", self.device, process.exitcode)
        self._wanted.extend((model, RELOADS) for model in self.loaded.values())
        self.loaded, self.resident_bytes = {}, 0
        self.restarts += 1
        self._deaths += 1
        if self._deaths > 1:
            self._become("backing_off")
            self._stop.wait(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._deaths - 2)))

    def _exchange(self, model: ModelRef, pictures: Pictures) -> Answer:
        if self._pipe is None:
            raise EOFError("no worker")
        self._is_loading = not pictures
        started = time.monotonic()
        self._pipe.send((model, pictures))
        answer: Answer = self._pipe.recv()
        self.resident_bytes, self.runs_on = answer.resident_bytes, answer.device or self.runs_on
        if answer.refused is None and answer.fault is None and answer.too_large is None:
            self.golden_delta[model.product] = answer.golden_delta
        known = self.loaded | {model.digest: model}
        before, self.loaded = self.loaded, {digest: known[digest] for digest in answer.resident if digest in known}
        self.tally.note(before, self.loaded, time.monotonic() - started)
        return answer

    def _serve(self, jobs: list[Job]) -> None:
        """The model first and alone, where it is not there, so that no picture is blamed for it; then the pictures."""
        model, pictured = jobs[0].model, [job for job in jobs if job.pixels is not None]
        if model.digest not in self.loaded or len(pictured) < len(jobs):
            outcome = outcome_of_load(self._exchange(model, []))
            has_failed = isinstance(outcome, PoolError)
            for job in jobs:
                if has_failed or job.pixels is None:
                    job.finish(outcome)
            if has_failed:
                return
        if pictured:
            self._score(pictured)

    def _score(self, jobs: list[Job]) -> None:
        """All pictures at once; when that raises, one by one, so that a picture can only hurt itself."""
        started, model = time.monotonic(), jobs[0].model
        answer = self._exchange(model, [job.pixels for job in jobs if job.pixels is not None])
        if answer.fault is not None and len(jobs) > 1:
            for job in jobs:
                self._score([job])
            return
        seconds = time.monotonic() - started
        if answer.fault is None:
            self._pace.note(model.digest, seconds, started + seconds)
        results = iter(answer.results)
        for job in jobs:
            timing = Timing((started - job.queued_at) * 1000, seconds * 1000, len(jobs), self.runs_on)
            job.finish(outcome_of(answer, next(results, None), timing))
