"""A worker process, seen from the service: two pipes, a time limit on every answer, an end.

In: models to load, pictures to score; one of each at a time, from two threads. Out: the worker's `Answer`.
Refuses: EOFError or another OSError when the process dies; BrokenPipeError when it was dead before it had the message.
A process that does not answer in time is killed by whoever calls `kill_if_stuck`, which then looks like any death.
"""

import math
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from app.nursery import CONTEXT
from app.work import ModelRef
from app.worker import Answer, Loader, Pictures, ToLoad, ToScore, work

GRACE = 5.0  # seconds that a worker gets to end by itself
UNKNOWN = 255  # multiprocessing's exit code of a process whose status it could not read


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Seconds after which a worker that has not answered is taken for stuck."""

    batch_s: float = 20.0
    load_s: float = 120.0


@dataclass
class _Channel:
    """One pipe; the answer comes before the next message goes."""

    pipe: Connection
    limit_s: float
    due: float = math.inf
    """Finite while an answer is awaited, and for ever where none came."""

    def ask(self, message: object) -> Answer:
        self.due = time.monotonic() + self.limit_s
        try:
            self.pipe.send(message)
        except BrokenPipeError:
            self.due = math.inf
            raise
        answer: Answer = self.pipe.recv()
        self.due = math.inf
        return answer


class WorkerProcess:
    """One process; another one is another object."""

    def __init__(self, device: str, loader: Loader, limits: TimeLimits, threads: int) -> None:
        scores, their_scores = CONTEXT.Pipe()
        loads, their_loads = CONTEXT.Pipe()
        self._process = CONTEXT.Process(
            target=work, args=(their_scores, their_loads, device, loader, threads), daemon=True
        )
        self._process.start()
        self._reading = threading.Lock()
        their_scores.close()
        their_loads.close()
        self._scores, self._loads = _Channel(scores, limits.batch_s), _Channel(loads, limits.load_s)
        self.was_stuck = False
        """Whether it was killed because it did not answer."""

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.exit_code is None

    @property
    def pid(self) -> int | None:
        """While it runs."""
        return self._process.pid if self.is_alive else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs. Threads take turns: of two that ask at once, multiprocessing tells one UNKNOWN."""
        with self._reading:
            return self._process.exitcode

    @property
    def died_by_itself(self) -> bool:
        """Whether nobody from outside killed it, as far as is known; a stuck one counts as having died by itself."""
        return self.was_stuck or self.exit_code not in (-signal.SIGKILL, UNKNOWN)

    @property
    def died_loading(self) -> bool:
        """Of a dead process: whether a load was going on."""
        return self._loads.due < math.inf

    def score(self, groups: Sequence[tuple[ModelRef, Pictures]]) -> Answer:
        """Results of pictures (H,W,3) uint8 in order; the models must have been loaded, and be seen alike."""
        return self._scores.ask(ToScore(groups))

    def load(self, model: ModelRef, gone: Sequence[str]) -> Answer:
        """Forget the models `gone`, then load this one."""
        return self._loads.ask(ToLoad(model, gone))

    def kill_if_stuck(self, now: float) -> bool:
        """Whether an answer was overdue, and the process is killed for it."""
        if self.was_stuck or now < min(self._scores.due, self._loads.due) or not self.is_alive:
            return False
        self.was_stuck = True
        self._process.kill()
        return True

    def bury(self) -> None:
        """Wait for the end of a process that is lost, and make sure of it."""
        self._await_end(GRACE)
        self._process.kill()
        self._await_end()

    def end(self) -> None:
        """Let it end, then end it."""
        self._scores.pipe.close()
        self._loads.pipe.close()
        self._await_end(GRACE)
        self._process.kill()

    def _await_end(self, seconds: float | None = None) -> None:
        """Without reading how it ended, as `join` would: that is for `exit_code`."""
        wait([self._process.sentinel], seconds)
