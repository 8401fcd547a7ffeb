"""How long each stage of one request took.

In: the end of each stage. Out: milliseconds by stage. Refuses nothing.
"""

import time

STAGES = ("decode", "queue", "device", "pool", "post", "keep", "ledger", "total")
"""Of a part that got its verdict; `pool` is queue, device and the way there."""


class Stages:
    """Milliseconds per stage of one request."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """The stage that has just ended."""
        now = time.perf_counter()
        self.laps[stage], self._last = (now - self._last) * 1000, now

    @property
    def rounded(self) -> dict[str, float]:
        """The stages so far."""
        return {name: round(value, 3) for name, value in self.laps.items()}

    @property
    def total(self) -> float:
        """Since the beginning."""
        return round((time.perf_counter() - self._started) * 1000, 3)
