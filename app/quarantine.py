"""Pictures that killed workers, by digest and version.

In: the bytes of a picture and the version that is to score it. Out: nothing. Refuses: a picture that killed workers
with this version lately (`PictureQuarantined`). Bounded, and it forgets after EXPIRY_S: what is wrong may be the
device, and another version, or the same after a while, may do better. Belongs to the event loop: no lock.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from app.pool_errors import PictureQuarantined

KEPT = 1024  # pictures; the one that was met least recently goes first
EXPIRY_S = 3600.0


class Quarantine:
    """What was put away, and when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def check(self, data: bytes, model: str) -> None:
        """Let `data` pass, unless it was put away; hashes nothing while nothing is put away."""
        if not self._since:
            return
        key = _key(data, model)
        since = self._since.get(key)
        if since is None:
            return
        if self._clock() - since > EXPIRY_S:
            del self._since[key]
            return
        self._since.move_to_end(key)
        raise PictureQuarantined(f"this picture killed workers; it is tried again {EXPIRY_S / 60:g} minutes after that")

    def add(self, data: bytes, model: str) -> None:
        """Put `data` away for this model."""
        self._since[_key(data, model)] = self._clock()
        if len(self._since) > KEPT:
            self._since.popitem(last=False)


def _key(data: bytes, model: str) -> str:
    return f"{hashlib.sha256(data).hexdigest()} {model}"
