"""Bytes on a POSIX file system: read with a limit and without following links, written whole or not at all.

Refuses: links and devices (`UnsafePath`), files over their limit (`TooLarge`), absent ones (`MissingFile`);
whatever else the file system objects to is a `StoreFault`.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from model_store.errors import MissingFile, StoreFault, TooLarge, UnsafePath, VersionExists

TEMPORARY_PREFIX = ".tmp-"  # left behind by a writer that was killed; no reader looks at it


def read_capped(path: Path, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes."""
    try:
        # not blocking: a FIFO must be refused, not waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnsafePath(f"{path} is no plain file")
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise MissingFile(f"{path} is missing") from exc
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise UnsafePath(f"{path} is a symbolic link") from exc
        if exc.errno == errno.EISDIR:
            raise UnsafePath(f"{path} is a folder") from exc
        raise StoreFault(f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) > limit:
        raise TooLarge(f"{path} is larger than the limit of {limit} bytes")
    return data


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` appear at once with these files (relative names), or not at all; `VersionExists` if it is there."""
    temporary = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}-{secrets.token_hex(8)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            raise VersionExists(f"{folder} exists; what is in the store is never edited")
        try:
            _fill(temporary, files)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync_folder(folder.parent)
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise VersionExists(f"{folder} exists; another process wrote it just now") from exc
        raise StoreFault(f"{folder} cannot be written: {exc.strerror}") from exc


def replace_file(path: Path, data: bytes) -> None:
    """Write `path` so that a reader sees the old bytes or the new, never a mixture."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(8)}")
    try:
        _write(temporary, data)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise StoreFault(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        temporary.unlink(missing_ok=True)


def subfolders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in `folder`, sorted; links are not followed, and no folder has no subfolders."""
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False)))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise StoreFault(f"{folder} cannot be read: {exc.strerror}") from exc


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        _write(folder / name, data)
    for parent in {(folder / name).parent for name in files}:
        _sync_folder(parent)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
