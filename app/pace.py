"""How long batches took lately, by model.

In: the seconds of each batch. Out: the least that a batch of a model took, and what one of n pictures takes as a rule.
Refuses nothing; any thread may ask.
What is older than RECENT_S counts no more: were it otherwise, a slow minute would have every later picture dropped as
too late, and nothing would ever show that the device is fast again. One batch alone proves no slow device either (a
machine that was suspended, a disk that stalled): beside it the one before counts, however old.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

RECENT_S = 10.0
KEPT = 64  # batches, of all models together


@dataclass(frozen=True)
class Cost:
    """Seconds of a batch of one model."""

    least: float = 0.0
    """Of one picture, in the fastest batch of late: full batches alone say nothing of what one would take by itself."""
    fixed: float = 0.0
    each: float = 0.0
    """A batch of n takes `fixed + n * each`: a straight line through those of late."""

    def of(self, pictures: int) -> float:
        """What so many together take as a rule."""
        return self.fixed + pictures * self.each


class Pace:
    """The last batches."""

    def __init__(self) -> None:
        self._batches: deque[tuple[str, int, float, float]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def note(self, model: str, pictures: int, seconds: float, now: float) -> None:
        """A batch of `model` has taken `seconds`."""
        with self._lock:
            self._batches.append((model, pictures, seconds, now))

    def costs(self, now: float) -> dict[str, Cost]:
        """By model; one that did not run lately is not there."""
        recent: dict[str, list[tuple[int, float]]] = defaultdict(list)
        with self._lock:
            for model, pictures, seconds, at in reversed(self._batches):
                if now - at <= RECENT_S or len(recent.get(model, ())) == 1:
                    recent[model].append((pictures, seconds))
        return {model: _line(batches) for model, batches in recent.items()}


def _line(batches: Sequence[tuple[int, float]]) -> Cost:
    """Least squares with neither part below 0; through 0 where all batches had one size."""
    sizes, times = [size for size, _ in batches], [seconds for _, seconds in batches]
    size, seconds = fmean(sizes), fmean(times)
    spread = sum((it - size) ** 2 for it in sizes)
    slope = sum((it - size) * (time - seconds) for it, time in batches) / spread if spread else seconds / size
    each = min(max(slope, 0.0), seconds / size)
    return Cost(min(time / count for count, time in batches), seconds - each * size, each)
