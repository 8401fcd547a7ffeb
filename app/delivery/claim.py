"""Which of several processes on one ledger delivers to a target: one of them, and another as soon as that one is gone.

In: a ledger's URL and a target's name. Out: whether this process is the one. Refuses nothing: where the database cannot
be asked, nobody is. A file lock beside an SQLite ledger, an advisory lock in PostgreSQL: both end with their process.
"""

import logging
import zlib
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from app.ledger.database import POSTGRES

log = logging.getLogger(__name__)
CLASS = 0x1EDC0DE  # of PostgreSQL's advisory locks, beside that of migrations, which is a single number
KEEPALIVE = (
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"  # of a host without power
)
TRY = text("SELECT pg_try_advisory_lock(:class, :name)")


class Claim(Protocol):
    """Of one target."""

    def holds(self) -> bool:
        """Whether this process delivers; takes the claim where it is free."""

    def release(self) -> None:
        """Let another one deliver."""


def claim_of(url: URL, target: str) -> Claim:
    """The kind that the ledger's database has."""
    if url.get_backend_name() == "postgresql":
        return DatabaseClaim(url, target)
    return FileClaim(Path(f"{url.database}.{target}.lock"))


class FileClaim:
    """A lock file; the system unlocks it when the process ends."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, timeout=0, thread_local=False)

    def holds(self) -> bool:
        """As in Claim."""
        if self._lock.is_locked:
            return True
        try:
            self._lock.acquire()
        except (Timeout, OSError):
            return False
        return True

    def release(self) -> None:
        """As in Claim."""
        self._lock.release()


class DatabaseClaim:
    """A lock of one connection, which PostgreSQL ends with it."""

    def __init__(self, url: URL, target: str) -> None:
        connect = POSTGRES | {"options": f"{POSTGRES['options']}{KEEPALIVE}"}
        self._engine: Engine = create_engine(
            url, connect_args=connect, isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        self._numbers = {"class": CLASS, "name": zlib.crc32(target.encode()) - (1 << 31)}  # int4 has a sign
        self._connection: Connection | None = None

    def holds(self) -> bool:
        """As in Claim."""
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return True
            connection = self._engine.connect()
            if connection.execute(TRY, self._numbers).scalar_one():
                self._connection = connection
                return True
            connection.close()
        except SQLAlchemyError as error:
            log.warning("the claim cannot be asked for: %s", str(error).partition("\n")[0])
            self.release()
        return False

    def release(self) -> None:
        """As in Claim."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
