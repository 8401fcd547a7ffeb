"""Pictures over which workers died, by digest and version.

In: the bytes of a picture and the version that is to score it; who is accused of a worker's death (app/lane.py says
when). Out: nothing. Refuses: a picture that was found GUILTY (`PictureQuarantined`), whoever sent it.
Bounded, and it forgets after EXPIRY_S: what is wrong may be the device, and another version, or the same after a
while, may do better. Belongs to the event loop: no lock.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.backlog import GUILTY
from app.pool_errors import PictureQuarantined

KEPT = 1024  # pictures; the one that was met least recently goes first
EXPIRY_S = 3600.0


@dataclass
class _Record:
    guilt: int
    since: float


class Quarantine:
    """What was accused, of how much, and when last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return sum(record.guilt >= GUILTY for record in self._records.values())

    def check(self, data: bytes, model: str) -> None:
        """Let `data` pass, unless it was put away; hashes nothing while nothing is accused."""
        if not self._records:
            return
        key = _key(data, model)
        record = self._records.get(key)
        if record is None:
            return
        if self._clock() - record.since > EXPIRY_S:
            del self._records[key]
            return
        if record.guilt >= GUILTY:
            self._records.move_to_end(key)
            raise PictureQuarantined(
                f"this picture killed workers; it is tried again {EXPIRY_S / 60:g} minutes after that"
            )

    def accuse(self, data: bytes, model: str, count: int) -> None:
        """A worker may have died of `data`; once all counts come to GUILTY it is put away for this model."""
        key = _key(data, model)
        record = self._records.setdefault(key, _Record(0, 0.0))
        record.guilt, record.since = record.guilt + count, self._clock()
        self._records.move_to_end(key)
        if len(self._records) > KEPT:
            self._records.popitem(last=False)


def _key(data: bytes, model: str) -> str:
    return f"{hashlib.sha256(data).hexdigest()} {model}"
