"""The jobs that wait for a worker.

In: jobs, from the event loop. Out: batches, to the lanes' threads, as app/batching.py plans them. Refuses: jobs after
the stop (`Draining`). Jobs whose caller has gone are forgotten; those that can no longer make their deadline are told
so, and no device sees them. How many may wait is decided in app/admission.py, before they are decoded.
"""

import threading
import time
from collections.abc import Sequence

from app.batching import BatchLimits, Plan, next_batch
from app.job import Job
from app.pace import Pace
from app.pool_errors import DeadlineMissed, Draining, ModelUnavailable, WorkerLost

IDLE_CHECK = 0.5  # seconds between two looks at an idle worker
MAX_ATTEMPTS = 2  # workers that may die over one picture


class Backlog:
    """One queue for all workers."""

    def __init__(self, limits: BatchLimits, pace: Pace) -> None:
        self._limits = limits
        self._pace = pace
        self._waiting: list[Job] = []
        self._served: dict[str, int] = {}
        self._changed = threading.Condition()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: Job) -> None:
        """Let `job` wait."""
        with self._changed:
            if self._stopping:
                raise Draining("the service is stopping and takes no more work")
            self._join(job.model.product)
            self._waiting.append(job)
            self._changed.notify()

    def take(self) -> list[Job] | None:
        """The next batch; an empty one when there was none for a while, None after the stop, when nothing waits."""
        with self._changed:
            plan = self._plan()
            if not plan.places and not self._stopping:
                self._changed.wait(min(IDLE_CHECK, max(0.0, plan.until - time.monotonic())))
                plan = self._plan()
            if not plan.places and self._stopping:
                return None
            batch = [self._waiting[place] for place in plan.places]
            self._waiting = [job for job in self._waiting if job not in batch]
            for job in batch:
                self._served[job.model.product] = self._served.get(job.model.product, 0) + 1
            return batch

    def give_back(self, jobs: Sequence[Job], *, deaths: int, loading: bool) -> None:
        """What a dead worker held waits again and then runs alone, unless it has cost MAX_ATTEMPTS workers already.

        `deaths` is 0 where the worker had died before it got them; `loading` where it died over their model.
        """
        for job in jobs:
            job.attempts += deaths
        lost = [job for job in jobs if job.attempts >= MAX_ATTEMPTS]
        for job in lost:
            if loading:
                job.finish(ModelUnavailable(f"{MAX_ATTEMPTS} workers died while they loaded {job.model}"))
            else:
                job.finish(WorkerLost(f"{MAX_ATTEMPTS} workers died while they held this picture"))
        with self._changed:
            self._waiting = [job for job in jobs if job not in lost] + self._waiting
            self._changed.notify_all()

    def stop(self) -> None:
        """Take no more jobs; those that wait are still given out."""
        with self._changed:
            self._stopping = True
            self._limits = BatchLimits(self._limits.size)
            self._changed.notify_all()

    def _join(self, product: str) -> None:
        """A product that begins to wait is level with those that wait already: it has saved up no turns."""
        others = {job.model.product for job in self._waiting}
        if product not in others:
            level = min((self._served.get(other, 0) for other in others), default=0)
            self._served = {name: count for name, count in self._served.items() if name in others}
            self._served[product] = level

    def _plan(self) -> Plan:
        now = time.monotonic()
        seconds = self._pace.least(now)
        self._drop(now, seconds)
        waiters = [job.waiter for job in self._waiting]
        return next_batch(waiters, now, limits=self._limits, served=self._served, seconds=seconds)

    def _drop(self, now: float, seconds: dict[str, float]) -> None:
        """Forget who has gone away, and give up what cannot be scored in time any more."""
        late = [job for job in self._waiting if now + seconds.get(job.model.digest, 0.0) > job.deadline]
        for job in late:
            job.finish(DeadlineMissed("the deadline was too near when a worker came free; the picture was not scored"))
        self._waiting = [job for job in self._waiting if job not in late and not job.future.done()]
