"""How long batches took lately, by model.

In: the seconds of each batch. Out: the least that a batch of a model took. Refuses nothing; any thread may ask.
What is older than RECENT_S counts no more: were it otherwise, a slow minute would have every later picture dropped as
too late, and nothing would ever show that the device is fast again.
"""

import threading
from collections import deque

RECENT_S = 10.0
KEPT = 64  # batches, of all models together


class Pace:
    """The last batches."""

    def __init__(self) -> None:
        self._batches: deque[tuple[str, float, float]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def note(self, model: str, seconds: float, now: float) -> None:
        """A batch of `model` has taken `seconds`."""
        with self._lock:
            self._batches.append((model, seconds, now))

    def least(self, now: float) -> dict[str, float]:
        """Model → seconds of its fastest recent batch; a model that did not run lately is not there."""
        fastest: dict[str, float] = {}
        with self._lock:
            for model, seconds, at in self._batches:
                if now - at <= RECENT_S:
                    fastest[model] = min(seconds, fastest.get(model, seconds))
        return fastest
