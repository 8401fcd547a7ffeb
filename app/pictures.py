"""Pictures or heatmaps by the SHA-256 of their bytes, within a number of bytes and of days.

In: bytes. Out: a name, `<first 2 of the hash>/<hash>`, and by it the same bytes, until retention removes them, oldest
first. Refuses, as leaves of app/picture_errors.py: what the disk or bucket refuses, what is no longer kept, and bytes
that are no longer those of their name. What is on hold stays, and counts beside the limits and not within them.
What is kept is remembered in memory, some 200 bytes a file: a sweep then asks the disk only for what it removes.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.folder import Stored
from app.picture_errors import (
    HeatmapDamaged,
    HeatmapExpired,
    HeatmapLost,
    HeatmapUnavailable,
    ImageDamaged,
    ImageExpired,
    ImageLost,
    ImageUnavailable,
    PictureError,
)

log = logging.getLogger(__name__)

STEP = 200  # files that one step of a sweep removes, some milliseconds on a disk
DAY_S = 86_400.0
SKEW_S = 60.0  # by which clocks of a bucket and of several services may differ


class Place(Protocol):
    """Where bytes lie: app/folder.py, app/bucket.py. All raise OSError."""

    def write(self, name: str, data: bytes) -> int:
        """Whole or not at all; the bytes that it takes."""

    def read(self, name: str) -> bytes:
        """FileNotFoundError where it is gone."""

    def saved_at(self, name: str) -> float:
        """Seconds since 1970."""

    def remove(self, name: str) -> None:
        """One that is gone already is no error."""

    def entries(self) -> Iterator[Stored]:
        """All of it."""


@dataclass(frozen=True)
class Kind:
    """What is kept, and what it is called when it cannot be."""

    noun: str
    lost: type[PictureError]
    expired: type[PictureError]
    damaged: type[PictureError]
    unavailable: type[PictureError]


HEATMAPS = Kind("heatmap", HeatmapLost, HeatmapExpired, HeatmapDamaged, HeatmapUnavailable)
PICTURES = Kind("picture", ImageLost, ImageExpired, ImageDamaged, ImageUnavailable)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How much is kept, and for how long."""

    max_bytes: int = 2 << 30
    max_age_s: float = 30 * DAY_S


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What there is of a kind."""

    files: int
    bytes: int
    held_files: int
    held_bytes: int
    oldest: float | None
    """Seconds since 1970; of what is not on hold."""


class PictureStore:
    """One kind in one place. Any thread may save and load; one sweeps."""

    def __init__(self, place: Place, kind: Kind, retention: Retention) -> None:
        self.place = place
        self.kind = kind
        self.retention = retention
        self._kept: OrderedDict[str, Stored] = OrderedDict()  # oldest first
        self._lock = threading.Lock()
        self.bytes = 0
        """As far as the first scan has looked."""

    def save(self, data: bytes) -> str:
        """Keep these bytes, whole or not at all; their name."""
        name = name_of(hashlib.sha256(data).hexdigest())
        try:
            size = self.place.write(name, data)
        except OSError as exc:
            raise self.kind.lost(f"{self.kind.noun} {name} cannot be kept: {_why(exc)}") from exc
        with self._lock:
            self._note(Stored(time.time(), size, name))
        return name

    def load(self, name: str) -> bytes:
        """What was saved under `name`, which must come from the ledger, for it becomes part of a path."""
        what = f"the {self.kind.noun} {name.rpartition('/')[2]}"
        try:
            data = self.place.read(name)
        except FileNotFoundError as exc:
            raise self.kind.expired(f"{what} is no longer kept") from exc
        except OSError as exc:
            raise self.kind.unavailable(f"{what} cannot be read: {_why(exc)}") from exc
        if is_hash(name) and name_of(hashlib.sha256(data).hexdigest()) != name:
            raise self.kind.damaged(f"{what} was changed where it is stored")
        return data

    def try_out(self) -> None:
        """Keep nothing, and remove it: a place that takes nothing shows at the start, and the first part waits no
        longer than the others for folders and connections that are made once."""
        name = name_of(hashlib.sha256(b"").hexdigest())
        try:
            self.place.write(name, b"")
            self.place.remove(name)
        except OSError as exc:
            raise self.kind.unavailable(f"{self.place} takes no {self.kind.noun}s: {_why(exc)}") from exc

    def scan(self) -> None:
        """Remember what earlier processes, and others beside this one, have kept; forget what they have removed."""
        try:
            began, found = time.time(), sorted(self.place.entries())
        except OSError as exc:
            raise self.kind.unavailable(f"{self.kind.noun}s in {self.place} cannot be listed: {_why(exc)}") from exc
        with self._lock:
            since = [kept for kept in self._kept.values() if kept.saved_at >= began]
            self._kept.clear()
            self.bytes = 0
            for kept in (*found, *since):
                self._note(kept)

    def expire(self, now: float, held: Collection[str] = ()) -> int:
        """Remove what is too old or too much, oldest first, STEP files at most; how many went."""
        due = self._due(now, held)
        for place, kept in enumerate(due):
            try:
                self._remove(kept)
            except FileNotFoundError:
                continue
            except OSError as error:  # this one waits for the next scan: it would keep the others from going
                log.warning("%s %s cannot be removed: %s", self.kind.noun, kept.name, _why(error))
                self._put_back(due[place + 1 :])
                return place
        return len(due)

    def amount(self, held: Collection[str] = ()) -> Amount:
        """What there is, as far as is remembered."""
        with self._lock:
            on_hold = self._on_hold(held)
            oldest = next((kept.saved_at for name, kept in self._kept.items() if name not in on_hold), None)
            return Amount(
                files=len(self._kept),
                bytes=self.bytes,
                held_files=len(on_hold),
                held_bytes=sum(on_hold.values()),
                oldest=oldest,
            )

    def _remove(self, kept: Stored) -> None:
        saved_at = self.place.saved_at(kept.name)
        if saved_at > kept.saved_at + SKEW_S:  # another process has kept the same bytes again
            with self._lock:
                self._note(kept._replace(saved_at=saved_at))
            return
        self.place.remove(kept.name)

    def _put_back(self, oldest: Sequence[Stored]) -> None:
        with self._lock:
            for kept in reversed(oldest):
                self._note(kept)
                self._kept.move_to_end(kept.name, last=False)

    def _due(self, now: float, held: Collection[str]) -> list[Stored]:
        """What is to go, no longer remembered."""
        due: list[Stored] = []
        with self._lock:
            on_hold = self._on_hold(held)
            left = self.bytes - sum(on_hold.values())
            for name, kept in self._kept.items():
                is_over = left > self.retention.max_bytes or now - kept.saved_at > self.retention.max_age_s
                if not is_over or len(due) == STEP:
                    break
                if name not in on_hold:
                    due.append(kept)
                    left -= kept.size
            for kept in due:
                del self._kept[kept.name]
                self.bytes -= kept.size
        return due

    def _on_hold(self, held: Collection[str]) -> dict[str, int]:
        return {name: self._kept[name].size for name in held if name in self._kept}

    def _note(self, kept: Stored) -> None:
        before = self._kept.pop(kept.name, None)
        self._kept[kept.name] = kept
        self.bytes += kept.size - (before.size if before else 0)


def name_of(sha256: str) -> str:
    """Where the bytes of this hash lie."""
    return f"{sha256[:2]}/{sha256}"


def is_hash(name: str) -> bool:
    """Whether the name says what the bytes are; heatmaps of earlier versions are called after their verdict."""
    return len(name) == len(name_of("0" * 64))


def _why(error: OSError) -> str:
    return error.strerror or str(error)
