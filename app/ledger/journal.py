"""Verdicts that the database does not take → lines of a local file, each on the disk before its verdict is answered.

In: records. Out: the same records, in their order, until they are dropped. Refuses: more bytes than the limit, and what
the disk refuses (`LedgerUnavailable`). A line is the CRC-32 of its JSON, a space, the JSON. A last line without its end
was never answered and is cut; a line that is damaged is kept in `<file>.rejected`, logged and skipped.
"""

import json
import logging
import os
import threading
import zlib
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from app.ledger.errors import LedgerUnavailable
from app.ledger.record import Record

log = logging.getLogger(__name__)
NAME = "journal"


def open_journal(folder: Path, limit: int) -> "Journal | None":
    """The journal in `folder`; None where there is to be none and nothing of an earlier one waits."""
    path = folder / NAME
    return Journal(path, limit) if limit > 0 or (path.exists() and path.stat().st_size > 0) else None


class Journal:
    """One file of one process; its methods may be called from any thread."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self.limit = limit
        """Bytes; 0 where it only waits to be emptied."""
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}
        self._keys: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = FileLock(f"{path}.lock", timeout=0, thread_local=False)
        try:
            self._owner.acquire()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = self._recover()
            _sync_folder(path.parent)
        except (OSError, Timeout) as exc:
            raise LedgerUnavailable(f"the journal {path} cannot be opened, or is another process's") from exc

    def __len__(self) -> int:
        """Records that wait."""
        return len(self._records)

    @property
    def is_full(self) -> bool:
        """Whether it may have taken its last record."""
        return self._size >= self.limit

    def append(self, record: Record) -> Record:
        """Write it down durably; what is there under the same id stays."""
        line = _line(record)
        with self._lock:
            if (found := self._records.get(record.id)) is not None:
                return found
            if self._size + len(line) > self.limit:
                raise LedgerUnavailable(f"the database is away, and the journal has no room ({self.limit} bytes)")
            try:
                self._write(line)
            except OSError as exc:
                raise LedgerUnavailable(f"the database is away, and the journal cannot be written: {exc}") from exc
            self._size += len(line)
            self._remember(record)
        return record

    def find(self, verdict_id: str) -> Record | None:
        """A record that waits."""
        return self._records.get(verdict_id)

    def find_key(self, key: str) -> Record | None:
        """The one with this idempotency key."""
        return self._records.get(self._keys.get(key, ""))

    def first(self, count: int) -> list[Record]:
        """The oldest that wait."""
        with self._lock:
            return list(islice(self._records.values(), count))

    def drop(self, records: list[Record]) -> None:
        """They are in the ledger. The file is emptied with the last: until then a crash replays, and finds, them."""
        with self._lock:
            for record in records:
                self._records.pop(record.id, None)
                self._keys.pop(record.idempotency_key or "", None)
            if not self._records:
                os.ftruncate(self._file, 0)
                os.fsync(self._file)
                self._size = 0

    def reject(self, record: Record, reason: str) -> None:
        """The database will never take it: keep it where a person finds it."""
        log.error("verdict %s is kept in %s.rejected: %s", record.id, self._path, reason)
        self._set_aside(_line(record))

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._file)
        self._owner.release()

    def _recover(self) -> int:
        """What a process before this one has left."""
        end = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    log.warning("the journal's last line has no end: it was never answered")
                    os.ftruncate(self._file, end)
                    break
                end += len(line)
                if (record := _record(line)) is None:
                    log.error("a line of %s is damaged: it is kept in %s.rejected", self._path, self._path)
                    self._set_aside(line)
                else:
                    self._remember(record)
        return end

    def _write(self, line: bytes) -> None:
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise

    def _set_aside(self, line: bytes) -> None:
        with Path(f"{self._path}.rejected").open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _remember(self, record: Record) -> None:
        self._records[record.id] = record
        if record.idempotency_key is not None:
            self._keys[record.idempotency_key] = record.id


def _line(record: Record) -> bytes:
    text = json.dumps(vars(record), separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _record(line: bytes) -> Record | None:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return Record(**json.loads(text))
    except (TypeError, ValueError):  # of a later program
        return None


def _sync_folder(folder: Path) -> None:
    """A file that was made is only there after a power cut where its folder was written, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
