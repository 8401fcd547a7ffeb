"""Functions → milliseconds, taken in turns: whatever else the machine does hits all of them alike.

The least of many rounds says what the work takes; how far the median is above it, what else the machine did.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Taken:
    """Milliseconds."""

    least: float
    median: float


def measure(subjects: Mapping[str, Work], *, rounds: int, warm_up: int = 2) -> dict[str, Taken]:
    """Name → what it took; in each of the `rounds`, every subject runs once."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(warm_up + rounds):
        for name, work in subjects.items():
            began = time.perf_counter()
            work()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return {name: Taken(min(taken) * 1000, statistics.median(taken) * 1000) for name, taken in seconds.items()}
