"""Named bytes in a folder, two levels deep. Any thread may call.

In: `ab/abcdef…` and its bytes. Out: the same bytes. Refuses: what the disk does (OSError), as it says it.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

BLOCK = 4096  # bytes that a file system gives to a file at a time; counted so, small files cost what they do on disk


class Stored(NamedTuple):
    """One file, or one object of a bucket. Sorts by age."""

    saved_at: float
    """Seconds since 1970; of what was saved twice, the second time."""
    size: int
    """Bytes that it takes."""
    name: str


class Folder:
    """The files under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def write(self, name: str, data: bytes) -> int:
        """Whole or not at all; the bytes that it takes."""
        path = self._root / name
        temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")  # a crash's expires as if it were whole
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a power cut leaves an empty file under the final name
            temporary.replace(path)
        except OSError:
            with suppress(OSError):  # half a file on a full disk would keep it full
                temporary.unlink()
            raise
        return _on_disk(len(data))

    def read(self, name: str) -> bytes:
        """FileNotFoundError where it is gone."""
        return (self._root / name).read_bytes()

    def saved_at(self, name: str) -> float:
        """When it was written last."""
        return (self._root / name).stat().st_mtime

    def remove(self, name: str) -> None:
        """One that is gone already is no error."""
        (self._root / name).unlink(missing_ok=True)

    def entries(self) -> Iterator[Stored]:
        """Every file two levels down; what cannot be looked at, or goes meanwhile, is left out."""
        for folder in _inside(self._root):
            for entry in _inside(Path(folder.path)) if folder.is_dir(follow_symlinks=False) else []:
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield Stored(status.st_mtime, _on_disk(status.st_size), f"{folder.name}/{entry.name}")


def is_unfinished(name: str) -> bool:
    """Whether a file of `entries` is what a crash left of a `write`."""
    return name.rpartition("/")[2].startswith(".")


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _inside(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("%s cannot be counted: %s", folder, error.strerror)
        return []
