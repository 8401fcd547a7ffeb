"""A URL or a folder → an engine whose commits are on the disk when they return.

In: `INSPECT_LEDGER_URL`, or the data folder where there is none. Out: an SQLAlchemy engine. Refuses: other databases
than SQLite and PostgreSQL, and a driver that is not installed (`LedgerUnavailable`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from app.ledger.errors import LedgerUnavailable

FILE = "verdicts.sqlite"
BUSY_S = 5.0  # how long another process's lock is waited for
CONNECT_S = 3
STATEMENT_MS = 10_000
READERS = 4  # connections that read, beside the one that writes
POSTGRES = {  # whatever the server's defaults are: a commit that returns is on the disk, and nothing waits for ever
    "connect_timeout": CONNECT_S,
    "application_name": "inspect-line",
    "tcp_user_timeout": STATEMENT_MS,
    "client_encoding": "utf8",
    "options": f"-c synchronous_commit=on -c statement_timeout={STATEMENT_MS} -c timezone=UTC"
    r" -c default_transaction_isolation=read\ committed",
}


def ledger_url(folder: Path, given: str | None) -> URL:
    """Where the ledger is: `given`, else the file in `folder`."""
    if given is None:
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        url = make_url(given)
    except ArgumentError as exc:
        raise LedgerUnavailable("INSPECT_LEDGER_URL is no database URL") from exc  # unnamed: it may hold a password
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise LedgerUnavailable(f"INSPECT_LEDGER_URL names {kind}; the ledger knows sqlite and postgresql")
    return url.set(drivername="postgresql+psycopg") if kind == "postgresql" else url.set(drivername="sqlite")


def open_engine(url: URL) -> Engine:
    """An engine; no connection is made yet, though an SQLite ledger's folder is."""
    options: dict[str, Any] = {"pool_size": READERS + 1, "max_overflow": 0, "json_serializer": compact}
    try:
        if url.get_backend_name() == "postgresql":
            return create_engine(url, connect_args=POSTGRES, isolation_level="READ COMMITTED", **options)
        Path(url.database or FILE).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, **options)
    except (ImportError, NoSuchModuleError) as exc:
        raise LedgerUnavailable("no driver for PostgreSQL: pip install 'inspect-line[postgres]'") from exc
    except (OSError, SQLAlchemyError) as exc:
        raise LedgerUnavailable(f"the ledger cannot be opened: {exc}") from exc
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions lock an SQLite file from their beginning: none fails half-way as busy."""
    return engine.execution_options(writes=True)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """What the database refuses becomes `LedgerUnavailable`; statements and values stay out of the message."""
    try:
        yield
    except SQLAlchemyError as exc:
        cause = str(getattr(exc, "orig", None) or exc).strip().partition("\n")[0]
        raise LedgerUnavailable(f"the ledger did not {what}: {cause}") from exc


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin transactions itself, and late
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def compact(value: object) -> str:
    """JSON as it is stored."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
