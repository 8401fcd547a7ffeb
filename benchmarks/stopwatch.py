"""Functions → milliseconds, taken in turns: whatever else the machine does hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

Work = Callable[[], object]


def measure(subjects: Mapping[str, Work], *, rounds: int, warm_up: int = 2) -> dict[str, float]:
    """Name → median milliseconds over `rounds`; in each, every subject runs once."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(warm_up + rounds):
        for name, work in subjects.items():
            began = time.perf_counter()
            work()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) * 1000 for name, taken in seconds.items()}
