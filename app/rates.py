"""How often a key may ask: one token bucket per name.

In: a name, its limit, the time. Out: how long to wait; 0 where it may go on. Belongs to the event loop.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`count` requests in `seconds`; a bucket that was left alone holds `count`, so that many may come at once."""

    count: int
    seconds: float


class Rates:
    """The buckets; their number is that of the keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Name → tokens, and when there were so many."""

    def take(self, name: str, rate: Rate) -> float:
        """Take a token; seconds until there is one, where there is none."""
        now, per_second = self._clock(), rate.count / rate.seconds
        tokens, at = self._buckets.get(name, (float(rate.count), now))
        tokens = min(rate.count, tokens + (now - at) * per_second)
        if tokens < 1:
            self._buckets[name] = tokens, now
            return (1 - tokens) / per_second
        self._buckets[name] = tokens - 1, now
        return 0.0
