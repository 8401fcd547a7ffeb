"""Files that are read again when they change: the keys, the certificate.

In: paths, and what reads them. Out: nothing; the reader keeps what it read. Refuses nothing: a file that cannot be read
any more leaves in place what was read before, and says so in the log, /status and a metric until it can be.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)
LOOK_S = 1.0  # between two looks; they cost a stat() a file
Stamp = tuple[tuple[int, int, int] | None, ...]


class Followed:
    """One or more files that are used together."""

    def __init__(self, name: str, paths: Iterable[Path], read: Callable[[], None]) -> None:
        """Read them for the first time; raises what `read` raises, OSError or ValueError."""
        self.name = name
        self.trouble: str | None = None
        """Why the newest content is not in use; for a person."""
        self._paths = tuple(paths)
        self._read = read
        self._seen = self._stamp()
        read()

    def look(self) -> None:
        """Read the files again where they have changed."""
        stamp = self._stamp()
        if stamp == self._seen and self.trouble is None:
            return
        changed, self._seen = stamp != self._seen, stamp
        try:
            self._read()
        except (OSError, ValueError) as error:
            self.trouble = f"{', '.join(map(str, self._paths))}: {error}"
            if changed:
                log.error("%s: cannot be read again, those of before stay in use: %s", self.name, self.trouble)
            return
        self.trouble = None
        log.warning("%s: read again", self.name)

    def _stamp(self) -> Stamp:
        return tuple(map(_stamp_of, self._paths))


async def follow(files: Iterable[Followed]) -> None:
    """Look at each of them, for ever."""
    while True:
        for file in files:
            await asyncio.to_thread(file.look)
        await asyncio.sleep(LOOK_S)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What differs between two contents of a path: also of a link that was turned, as Kubernetes does with secrets."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
