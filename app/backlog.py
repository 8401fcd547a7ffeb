"""The jobs that wait for a worker.

In: jobs, from the event loop. Out: batches and models to load, to the lanes' threads, as app/batching.py plans them.
Refuses: jobs after the stop (`Draining`). Jobs whose caller has gone are forgotten; those that can no longer make
their deadline are told so, and no device sees them. How many may wait is decided in app/admission.py, before they are
decoded.
"""

import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from app.batching import FREE, BatchLimits, Plan, Seen, next_batch
from app.job import LOADED, Job
from app.pace import Cost, Pace
from app.pool_errors import DeadlineMissed, Draining, ModelUnavailable, PoolError, WorkerLost
from app.residency import Residency
from app.work import ModelRef, Scored

IDLE_CHECK = 0.5  # seconds between two looks at an idle worker
MAX_DEATHS = 2  # workers that may end by themselves over one picture, or over loading one model
OWN_DEATH, KILLED = 2, 1  # what a death counts: a SIGKILL mostly comes from outside, and means nobody in particular
GUILTY = MAX_DEATHS * OWN_DEATH


class Backlog:
    """One queue for all workers."""

    def __init__(self, limits: BatchLimits, pace: Pace) -> None:
        self._limits = limits
        self.pace = pace
        self._waiting: list[Job] = []
        self._served: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._loading: set[str] = set()
        self._deaths: dict[str, int] = {}
        self._loaded: set[str] = set()
        """Models that some lane has loaded, to its knowledge; one that has made room since is found by IDLE_CHECK."""
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        """Something waits for a worker: of interest to the threads that score."""
        self._unmet = threading.Condition(lock)
        """Something waits for a model: to those that load, which a part of a loaded one is no reason to wake."""
        self._idle: list[Residency] = []
        """Of the lanes that wait for a batch."""
        self._stopping = False

    def __len__(self) -> int:
        return sum(job.pixels is not None for job in tuple(self._waiting))

    @property
    def is_over(self) -> bool:
        """Whether it is stopped and nothing waits."""
        return self._stopping and not self._waiting

    def needs(self, digest: str) -> bool:
        """Whether something waits for this model. Takes no lock."""
        return any(job.model.digest == digest for job in tuple(self._waiting))

    def add(self, job: Job) -> None:
        """Let `job` wait."""
        with self._changed:
            if self._stopping:
                raise Draining("the service is stopping and takes no more work")
            self._join(job.model.product)
            if job.model.one_by_one:
                self._sizes[job.model.digest] = 1
            self._waiting.append(job)
            self._changed.notify_all()
            if job.pixels is None or job.model.digest not in self._loaded:
                self._unmet.notify_all()

    def take(self, here: Residency, *, joint: bool = False) -> list[Job] | None:
        """The next batch of models that are `here`; an empty one when there was none for a while, None at the end.

        It is of one model, unless `joint`: then room that is left in it goes to others that are seen alike. A lane that
        loads leaves to an idle one what that has too, for a load slows down what its worker scores meanwhile.
        """
        with self._changed:
            jobs, plan = self._plan(here, joint)
            if not plan.places and not self.is_over:
                self._idle.append(here)
                self._changed.wait(min(IDLE_CHECK, max(0.0, plan.until - time.monotonic())))
                self._idle.remove(here)
                jobs, plan = self._plan(here, joint)
            if not plan.places and self.is_over:
                return None
            batch = [jobs[place] for place in plan.places]
            self._waiting = [job for job in self._waiting if job not in batch]
            for job in batch:
                self._served[job.model.product] = self._served.get(job.model.product, 0) + 1
            if batch and self._waiting and self._idle:
                self._changed.notify_all()  # one that loads may have left to this lane what it did not take
            return batch

    def next_load(
        self, here: Container[str], is_not_for: Callable[[ModelRef], bool], *, wait_s: float = IDLE_CHECK
    ) -> ModelRef | None:
        """A model that something waits for and that is for this lane; None when there was none for a while.

        Who only wanted one loaded that is `here` already is told so.

        It is this lane's to load until `is_loaded`, `is_refused` or `has_killed` says how that ended.
        """
        with self._changed:
            model = self._missing(here, is_not_for)
            if model is None and not self.is_over and wait_s:
                self._unmet.wait(wait_s)
                model = self._missing(here, is_not_for)
            if model is not None:
                self._loading.add(model.digest)
            return model

    def is_loaded(self, model: ModelRef) -> None:
        """A lane has it; whoever waited for that alone is told."""
        self._deaths.pop(model.digest, None)
        with self._changed:
            self._loaded.add(model.digest)
        self._tell(model, LOADED, lambda job: job.pixels is None)

    def has_made_room(self, digests: Iterable[str]) -> None:
        """A lane has these no more: the next part of one is a reason to load it."""
        with self._changed:
            self._loaded.difference_update(digests)

    def is_refused(self, model: ModelRef, error: PoolError | None) -> None:
        """A lane cannot have it; with an error, neither can another, and all who wait for it are told."""
        self._tell(model, error or LOADED, lambda _: error is not None)

    def has_killed(self, model: ModelRef, count: int) -> bool:
        """A worker died while it loaded this model, which counts OWN_DEATH or KILLED; whether that is too much."""
        deaths = self._deaths[model.digest] = self._deaths.get(model.digest, 0) + count
        if deaths < GUILTY:
            self.is_refused(model, None)
            return False
        del self._deaths[model.digest]
        self.is_refused(model, ModelUnavailable(f"workers died each time while they loaded {model}"))
        return True

    def is_suspect(self, model: ModelRef) -> bool:
        """Whether a worker has died over loading it."""
        return model.digest in self._deaths

    def give_back(self, jobs: Sequence[Job], *, alone: bool, count: int = 0) -> None:
        """What a worker held waits again, first of all and, if `alone`, with nobody else in its batch.

        `count`: what the pictures are accused of, OWN_DEATH or KILLED; one that comes to GUILTY is given up.
        """
        for job in jobs:
            job.alone = job.alone or alone
            if count:
                job.accuse(count)
        lost = [job for job in jobs if job.guilt >= GUILTY]
        for job in lost:
            job.finish(WorkerLost("workers died each time while they held this picture"))
        with self._changed:
            self._waiting = [job for job in jobs if job not in lost] + self._waiting
            self._wake_all()

    def shrink(self, model: ModelRef, size: int) -> None:
        """From now on no batch of this model is larger: the device had no room for one that was."""
        with self._changed:
            self._sizes[model.digest] = max(1, min(size, self._sizes.get(model.digest, size)))

    def batch_limit(self, digest: str) -> int:
        """The largest batch of this model."""
        return min(self._limits.size, self._sizes.get(digest, self._limits.size))

    def stop(self) -> None:
        """Take no more jobs; those that wait are still given out."""
        with self._changed:
            self._stopping = True
            self._limits = BatchLimits(self._limits.size)
            self._wake_all()

    def wake(self) -> None:
        """Have the lanes look again."""
        with self._changed:
            self._wake_all()

    def _wake_all(self) -> None:
        self._changed.notify_all()
        self._unmet.notify_all()

    def _tell(self, model: ModelRef, outcome: PoolError | Scored, concerns: Callable[[Job], bool]) -> None:
        with self._changed:
            self._loading.discard(model.digest)
            told = [job for job in self._waiting if job.model.digest == model.digest and concerns(job)]
            self._waiting = [job for job in self._waiting if job not in told]
            self._wake_all()
        for job in told:
            job.finish(outcome)

    def _missing(self, here: Container[str], is_not_for: Callable[[ModelRef], bool]) -> ModelRef | None:
        self._drop(time.monotonic(), {})
        content = [job for job in self._waiting if job.pixels is None and job.model.digest in here]
        for job in content:
            job.finish(LOADED)
        self._waiting = [job for job in self._waiting if job not in content]
        missing = (
            job.model for job in self._waiting if job.model.digest not in self._loading and not is_not_for(job.model)
        )
        return next(missing, None)

    def _join(self, product: str) -> None:
        """A product that begins to wait is level with those that wait already: it has saved up no turns."""
        others = {job.model.product for job in self._waiting}
        if product not in others:
            level = min((self._served.get(other, 0) for other in others), default=0)
            self._served = {name: count for name, count in self._served.items() if name in others}
            self._served[product] = level

    def _is_for(self, here: Residency, digest: str) -> bool:
        if not here.is_loading:
            return digest in here
        return digest in here and not any(digest in other and not other.is_loading for other in self._idle)

    def _plan(self, here: Residency, joint: bool) -> tuple[list[Job], Plan]:
        now = time.monotonic()
        costs = self.pace.costs(now)
        self._drop(now, costs)
        jobs = [job for job in self._waiting if job.pixels is not None and self._is_for(here, job.model.digest)]
        waiters = [job.waiter for job in jobs]
        seen = Seen(served=self._served, costs=costs, sizes=self._sizes)
        plan = next_batch(waiters, now, limits=self._limits, seen=seen, joint=joint)
        return jobs, plan

    def _drop(self, now: float, costs: Mapping[str, Cost]) -> None:
        """Forget who has gone away, and give up what cannot be scored in time any more."""
        late = [job for job in self._waiting if now + costs.get(job.model.digest, FREE).least > job.deadline]
        for job in late:
            job.finish(DeadlineMissed("the deadline was too near when a worker came free; the picture was not scored"))
        self._waiting = [job for job in self._waiting if job not in late and not job.future.done()]
