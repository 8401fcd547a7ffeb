"""Heatmaps as files `<root>/<first 2 of id>/<id>.<png|raw>`, within a number of bytes and of days.

In: the bytes of one heatmap by the id of its verdict. Out: the same, until retention removes them, oldest first.
Refuses: what the disk does (`HeatmapLost`, `HeatmapUnavailable`), what is no longer kept (`HeatmapExpired`).
What is kept is remembered in memory, some 200 bytes a file: a sweep then never walks the folders.
"""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.picture_errors import HeatmapExpired, HeatmapLost, HeatmapUnavailable

log = logging.getLogger(__name__)

BLOCK = 4096  # bytes that a file system gives to a file at a time; counted so, small files cost what they do on disk
STEP = 200  # files that one step of a sweep removes, some milliseconds
SWEEP_S = 5.0  # between two sweeps
DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How much is kept, and for how long."""

    max_bytes: int = 2 << 30
    max_age_s: float = 30 * DAY_S


class _Kept(NamedTuple):
    saved_at: float
    """Seconds since 1970."""
    size: int
    """Bytes on disk."""
    name: str
    """Relative to the root."""


class PictureStore:
    """The heatmaps under `root`. Any thread may save and load; one sweeps."""

    def __init__(self, root: Path, retention: Retention) -> None:
        self._root = root
        self._retention = retention
        self._kept: deque[_Kept] = deque()  # oldest first
        self._lock = threading.Lock()
        self.bytes = 0
        """On disk, as far as the first sweep has looked."""

    def save(self, verdict_id: str, style: str, data: bytes) -> None:
        """Keep one heatmap, whole or not at all; `HeatmapLost` when the disk refuses."""
        name = _name(verdict_id, style)
        path = self._root / name
        temporary = path.with_name(f".{path.name}.tmp")  # one that a crash leaves expires as if it were a heatmap
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a power cut leaves an empty file under the final name
            temporary.replace(path)
        except OSError as exc:
            with suppress(OSError):  # half a file on a full disk would keep it full
                temporary.unlink()
            raise HeatmapLost(f"heatmap {name} cannot be kept: {exc.strerror}") from exc
        with self._lock:
            self._kept.append(_Kept(time.time(), _on_disk(len(data)), name))
            self.bytes += self._kept[-1].size

    def load(self, verdict_id: str, style: str) -> bytes:
        """One heatmap; the id must come from the ledger, for it becomes part of a path."""
        try:
            return (self._root / _name(verdict_id, style)).read_bytes()
        except FileNotFoundError as exc:
            raise HeatmapExpired(f"the heatmap of verdict {verdict_id!r} is no longer kept") from exc
        except OSError as exc:
            raise HeatmapUnavailable(f"the heatmap of verdict {verdict_id!r} cannot be read: {exc.strerror}") from exc

    def scan(self) -> None:
        """Remember what earlier processes have kept."""
        found = sorted(_files(self._root))
        with self._lock:
            known = {kept.name for kept in self._kept}
            before = [kept for kept in found if kept.name not in known]
            self._kept.extendleft(reversed(before))
            self.bytes += sum(kept.size for kept in before)

    def expire(self, now: float) -> int:
        """Remove what is too old or too much, oldest first, STEP files at most; how many went."""
        for count in range(STEP):
            with self._lock:
                if not self._kept or not self._is_over(self._kept[0], now):
                    return count
                oldest = self._kept.popleft()
                self.bytes -= oldest.size
            try:
                (self._root / oldest.name).unlink(missing_ok=True)
            except OSError as error:  # not tried again before a restart: it would keep the others from going
                log.warning("heatmap %s cannot be removed: %s", oldest.name, error.strerror)
        return STEP

    def _is_over(self, oldest: _Kept, now: float) -> bool:
        return self.bytes > self._retention.max_bytes or now - oldest.saved_at > self._retention.max_age_s


async def keep_within_limits(store: PictureStore) -> None:
    """Sweep for ever, in small steps beside the requests; ends when it is cancelled."""
    await asyncio.to_thread(store.scan)
    while True:
        while await asyncio.to_thread(store.expire, time.time()):
            pass
        await asyncio.sleep(SWEEP_S)


def _name(verdict_id: str, style: str) -> str:
    return f"{verdict_id[:2]}/{verdict_id}.{'raw' if style == 'raw' else 'png'}"


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _files(root: Path) -> Iterator[_Kept]:
    """Every file two levels down; what cannot be looked at, or goes meanwhile, is left out."""
    for folder in _entries(root):
        for entry in _entries(Path(folder.path)) if folder.is_dir(follow_symlinks=False) else []:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                yield _Kept(status.st_mtime, _on_disk(status.st_size), f"{folder.name}/{entry.name}")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("heatmaps in %s cannot be counted: %s", folder, error.strerror)
        return []
