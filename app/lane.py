"""One device: the process that it keeps alive, a thread that has it score and one that has it load.

In: batches, and models to load, of the backlog. Out: answers to their callers; what the worker does. Refuses nothing.
A worker that dies, or does not answer in time, is started again, at once the first time and then after ever longer
pauses, with the models that it had; what it held goes back to the backlog: inspection is a pure function, so it may run
twice. Who was there when a worker died, picture or load, runs alone from then on, so that it shows who is to blame:
- a picture is accused when it was alone, however the worker died, and in company when the worker ended by itself (a
  crash, a lost device, no answer in time) and loaded nothing meanwhile; a SIGKILL from outside accuses no company;
- a load is accused when it was going on. app/backlog.py says what an accusation counts.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from app.backlog import IDLE_CHECK, KILLED, MAX_DEATHS, OWN_DEATH, Backlog
from app.job import Job, Timing, outcome_of
from app.load_tally import LoadTally
from app.pool_errors import ModelTooLarge, ModelUnavailable, NoRoom, PoolError
from app.residency import NeverFits, Residency
from app.residency import NoRoom as WouldEvict
from app.work import ModelRef
from app.worker import Answer
from app.worker_process import WorkerProcess

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1  # seconds before the second start in a row; each further one waits twice as long
LONGEST_PAUSE = 5.0
LOOK_S = 0.02  # between two looks of the loading thread while there is no worker
UNFIT_S = 30.0  # before a model that another device holds is tried here again

CPU = "cpu"
Join = Literal["auto", "on", "off"]
LaneState = Literal["starting", "idle", "busy", "backing_off", "stopped"]


class Fellows(Protocol):
    """What a lane asks about the others: app/crew.py."""

    def memory(self, lane: "Lane") -> Residency:
        """Of a new process."""

    def is_elsewhere(self, lane: "Lane", model: ModelRef) -> bool:
        """Whether another lane has this model, or loads it."""

    def is_for_another(self, lane: "Lane", model: ModelRef) -> bool:
        """Whether this lane has no room for a model and another one has."""

    def copy_for(self, lane: "Lane") -> ModelRef | None:
        """What a lane is to load that nobody waits for."""


class Lane:
    """One device's worker."""

    def __init__(
        self,
        device: str,
        *,
        backlog: Backlog,
        spawn: Callable[[str], WorkerProcess],
        fellows: Fellows,
        join: Join,
    ) -> None:
        self.device = device
        self.worker: WorkerProcess | None = None
        self.residency = fellows.memory(self)
        """Of this process, not of the one before it."""
        self.restarts = self.hangs = self.out_of_memory = 0
        self.runs_on = device
        """Where the models really are: the CPU, where there is no such device."""
        self.golden_delta: dict[str, float] = {}
        """Product → largest golden |Δscore| of the version that was loaded last."""
        self.engines: dict[str, str] = {}
        """Digest of a model → how it is computed here."""
        self.batches: Counter[int] = Counter()
        """Pictures in a batch → how often."""
        self.tally = LoadTally()
        self.running: frozenset[str] = frozenset()
        """Digests of the models that score now."""
        self.state: LaneState = "starting"
        self.since = datetime.now(UTC)
        self._threads = [self._thread("score", self._run_scoring), self._thread("load", self._run_loading)]
        self._backlog = backlog
        self._spawn, self._fellows = spawn, fellows
        self._join = join
        self._reloads: deque[ModelRef] = deque()
        self._unfit: dict[str, float] = {}
        self._deaths = 0
        """Since a batch was last answered; a model that loads again is not yet enough."""
        self._score_turn, self._load_turn = threading.Lock(), threading.Lock()
        """Who runs alone takes both, in this order."""
        self._stop = threading.Event()

    @property
    def is_up(self) -> bool:
        """Whether the process is alive."""
        return self.worker is not None and self.worker.is_alive

    @property
    def is_gone(self) -> bool:
        """Whether the process keeps dying. One picture may cost MAX_DEATHS: those restarts are worth waiting for."""
        return self._deaths > MAX_DEATHS and self.state in ("backing_off", "starting")

    @property
    def pid(self) -> int | None:
        """Of the process, while it is alive."""
        return None if self.worker is None else self.worker.pid

    @property
    def loaded(self) -> dict[str, ModelRef]:
        """Digest → model that can score."""
        return _by_digest(self.residency)

    @property
    def is_degraded(self) -> bool:
        """Whether a CUDA device is wanted and the CPU does its work."""
        return self.device.startswith("cuda") and self.runs_on == "cpu"

    @property
    def is_joint(self) -> bool:
        """Whether its batches may be of several products."""
        return self._join == "on" or (self._join == "auto" and self.runs_on != CPU)

    @property
    def trouble(self) -> str | None:
        """Why it cannot score, for a person."""
        if self.is_up and self.residency.models:
            return None
        lack = "has loaded no model" if self.is_up else "is not there"
        exit_code = "" if self.worker is None or self.is_up else f", last exit {self.worker.exit_code}"
        return f"worker on {self.device} {lack}: {self.state.replace('_', ' ')}, {self.restarts} restarts{exit_code}"

    def start(self) -> None:
        """Start the threads, which start the process."""
        for thread in self._threads:
            thread.start()

    def end(self, timeout_s: float) -> None:
        """Wait for the threads, which end when the backlog does, then end the process, whatever it does."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stop.set()
        if self.worker is not None:
            self.worker.end()

    def kill_if_stuck(self, now: float) -> None:
        """End a worker whose answer is overdue; its threads see it die."""
        if self.worker is not None and self.worker.kill_if_stuck(now):
            log.error("worker on %s does not answer; killed", self.device)
            self.hangs += 1

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=run, name=f"{name}-{self.device}", daemon=True)

    def _run_scoring(self) -> None:
        while not self._stop.is_set():
            jobs: list[Job] | None = []
            try:
                worker = self._keep_alive()
                self.running = frozenset()
                self._become("idle")
                jobs = self._backlog.take(self.residency, joint=self.is_joint)
                if jobs is None:
                    break
                jobs = self._lease(jobs)
                if jobs:
                    self._become("busy")
                    self._serve(worker, jobs)
            except (EOFError, OSError) as error:
                self._lose(jobs or [], error)
        self._become("stopped")

    def _run_loading(self) -> None:
        while not (self._stop.is_set() or self._backlog.is_over):
            worker, residency = self.worker, self.residency
            if worker is None or not worker.is_alive:
                self._stop.wait(LOOK_S)
                continue
            model = self._backlog.next_load(self.residency, self._leaves, wait_s=0.0 if self._reloads else IDLE_CHECK)
            is_reload = model is None  # nobody waits for it
            if is_reload:
                model = self._reloads.popleft() if self._reloads else self._fellows.copy_for(self)
            if worker is not self.worker:  # it was replaced meanwhile; what is to be reloaded is the next one's
                if model is not None and is_reload:
                    self._reloads.append(model)
                elif model is not None:
                    self._backlog.is_refused(model, None)
                continue
            if model is not None and not residency.knows(model.digest):
                self._load(model, worker, residency)

    def knows(self, digest: str) -> bool:
        """Whether it has this model, loads it, or could not lately."""
        return self.residency.knows(digest) or self._unfit.get(digest, 0.0) > time.monotonic()

    def _leaves(self, model: ModelRef) -> bool:
        return self.knows(model.digest) or self._fellows.is_for_another(self, model)

    def _become(self, state: LaneState) -> None:
        if state != self.state:
            self.state, self.since = state, datetime.now(UTC)

    def _keep_alive(self) -> WorkerProcess:
        """The process, or another one where it has died, also while nothing waited."""
        if self.worker is None or not self.worker.is_alive:
            lost = self.residency.models
            if self.worker is not None:
                self._bury(self.worker)
            self._become("starting")
            self.residency = self._fellows.memory(self)
            self.worker = self._spawn(self.device)
            self._reloads.extend(
                model for model in lost if model not in self._reloads
            )  # only now: they are for this one
        return self.worker

    def _bury(self, worker: WorkerProcess) -> None:
        log.error("worker on %s died (exit %s); starting another", self.device, worker.exit_code)
        self.restarts += 1
        self._deaths += 1
        if self._deaths > 1:
            self._become("backing_off")
            self._stop.wait(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._deaths - 2)))

    def _lose(self, jobs: list[Job], error: Exception) -> None:
        """The worker has died while it held `jobs`; what could not be sent has killed nobody."""
        log.warning("worker on %s is lost: %r", self.device, error)
        worker = self.worker
        if worker is None:
            return
        worker.bury()
        alone = len(jobs) == 1 and (jobs[0].alone or not worker.died_loading)
        in_company = worker.died_by_itself and not worker.died_loading
        had_them = not isinstance(error, BrokenPipeError)
        count = _count(worker) if had_them and (alone or in_company) else 0
        self._backlog.give_back(jobs, alone=had_them, count=count)

    def _lease(self, jobs: list[Job]) -> list[Job]:
        """Those whose model is still there, by model; what has just made room for another waits again."""
        self.running = frozenset(job.model.digest for job in jobs)  # before the question: from here on it is leased
        here = {digest for digest in self.running if self.residency.use(digest)}
        if len(here) < len(self.running):
            self._backlog.give_back([job for job in jobs if job.model.digest not in here], alone=False)
        return sorted((job for job in jobs if job.model.digest in here), key=_model)

    def _serve(self, worker: WorkerProcess, jobs: list[Job]) -> None:
        """A batch, or a picture while nothing loads."""
        with self._score_turn, self._load_turn if jobs[0].alone else nullcontext():
            started = time.monotonic()
            self._score(worker, jobs)
        for product in {job.model.product for job in jobs}:
            self.tally.leased[product] += time.monotonic() - started
        self._deaths = 0

    def _score(self, worker: WorkerProcess, jobs: list[Job]) -> None:
        """All pictures at once; halves where the device has no room; one by one where it raises."""
        started, groups = time.monotonic(), [list(group) for _, group in groupby(jobs, _model)]
        answer = worker.score([(group[0].model, _pixels(group)) for group in groups])
        if answer.fault is not None and len(jobs) > 1:
            for part in self._split(jobs, answer):
                self._score(worker, part)
            return
        seconds = time.monotonic() - started
        self.batches[len(jobs)] += 1
        if answer.fault is None:
            for group in groups:  # a batch took as long for each of its models: what they share is most of it
                self._backlog.pace.note(group[0].model.digest, len(jobs), seconds, started + seconds)
        results = iter(answer.results)
        for job in jobs:
            timing = Timing((started - job.queued_at) * 1000, seconds * 1000, len(jobs), self.runs_on)
            job.finish(outcome_of(answer, next(results, None), timing))

    def _split(self, jobs: list[Job], answer: Answer) -> list[list[Job]]:
        if not answer.out_of_memory:
            return [[job] for job in jobs]
        self.out_of_memory += 1
        half, models = len(jobs) // 2, {job.model for job in jobs}
        for model in models:
            self._backlog.shrink(model, half)
        names = ", ".join(sorted(map(str, models)))
        log.warning("%s: no room for %d pictures on %s; %d from now on", names, len(jobs), self.device, half)
        return [jobs[:half], jobs[half:]]

    def _load(self, model: ModelRef, worker: WorkerProcess, residency: Residency) -> None:
        """Beside the batches, but alone where a worker has died over it before."""
        is_suspect = self._backlog.is_suspect(model)
        if is_suspect:
            self._score_turn.acquire()
        try:
            with self._load_turn:
                before, gone, started = _by_digest(residency), residency.reserve(model), time.monotonic()
                self._backlog.has_made_room(gone)
                answer = worker.load(model, gone)
        except NeverFits as error:
            self._refuse(model, ModelTooLarge(str(error)))
        except WouldEvict as error:
            self._refuse(model, NoRoom(str(error)))
        except (EOFError, OSError) as error:
            self._lose_load(model, worker, residency, error)
        else:
            self._note(model, residency, answer)
            self.tally.note(before, _by_digest(residency), time.monotonic() - started)
        finally:
            if is_suspect:
                self._score_turn.release()

    def _lose_load(self, model: ModelRef, worker: WorkerProcess, residency: Residency, error: Exception) -> None:
        residency.release(model.digest)
        worker.bury()
        if self._fellows.is_elsewhere(self, model):  # and served there
            self._unfit[model.digest] = time.monotonic() + UNFIT_S
            self._backlog.is_refused(model, None)
        elif isinstance(error, BrokenPipeError):
            self._reloads.append(model)
            self._backlog.is_refused(model, None)
        elif not self._backlog.has_killed(model, _count(worker)):
            self._reloads.append(model)
        self._backlog.wake()  # the scoring thread starts another worker

    def _note(self, model: ModelRef, residency: Residency, answer: Answer) -> None:
        failure = answer.refused or answer.fault
        if failure is not None:
            residency.release(model.digest)
            self._refuse(model, ModelUnavailable(failure))
            return
        residency.finish(model.digest)
        self.runs_on = answer.device or self.runs_on
        self.golden_delta[model.product] = answer.golden_delta
        self.engines[model.digest] = answer.engine or ""
        self._backlog.is_loaded(model)

    def _refuse(self, model: ModelRef, error: PoolError) -> None:
        """Tell those who wait for it, unless another device has it and will serve them."""
        if self._fellows.is_elsewhere(self, model):
            self._unfit[model.digest] = time.monotonic() + UNFIT_S
            self._backlog.is_refused(model, None)
        else:
            self._backlog.is_refused(model, error)


def _by_digest(residency: Residency) -> dict[str, ModelRef]:
    return {model.digest: model for model in residency.models}


def _model(job: Job) -> str:
    return job.model.digest


def _pixels(jobs: list[Job]) -> list[npt.NDArray[np.uint8]]:
    return [job.pixels for job in jobs if job.pixels is not None]


def _count(worker: WorkerProcess) -> int:
    return OWN_DEATH if worker.died_by_itself else KILLED
