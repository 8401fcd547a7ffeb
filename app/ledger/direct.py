"""New records and nothing else, which is nearly every batch → rows and their commit, by the driver itself.

SQLAlchemy takes longer for a record that is committed alone than the database does. Here statements are worked out
once; SQLite runs those of a commit one by one, PostgreSQL gets them in one round trip (app/ledger/flight.py).
In: records. Out: each as the ledger now holds it, committed. Refuses: what the driver does, in SQLAlchemy's words, and
what cannot be written as a value. Nothing of the batch is written then; app/ledger/store.py can find out more.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Dialect, bindparam, insert
from sqlalchemy.exc import DBAPIError

from app.ledger.database import compact
from app.ledger.record import Committed, Record, numbered
from app.ledger.revisions import PART, Given, follows, newest
from app.ledger.rows import row_of
from app.ledger.schema import verdicts
from app.ledger.store import LAST_NUMBER, SET_NUMBER

KEPT = "ledger driver"
JSON_NAMES = ("regions", "heatmap", "timings_ms")


class Driver(Protocol):
    """What a database does with records that are new."""

    def commit(self, records: Sequence[Record]) -> Sequence[Given]:
        """One transaction, on the disk when this returns: what the database gave each record, in their order."""


class Direct:
    """One connection, of which this has the driver's."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._raw: Any = connection.connection.dbapi_connection
        self._refusal: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._driver: Driver | None = connection.info.get(KEPT)

    def prepare(self) -> None:
        """Work the statements out, which is done once for a connection; where it fails that has to be closed."""
        if self._driver is None:
            try:
                self._chosen()
            except self._refusal as error:
                raise self._translated(error) from error

    def commit(self, records: Sequence[Record]) -> list[Committed]:
        """One transaction; where it fails the connection has to be closed."""
        try:
            given = (self._driver or self._chosen()).commit(records)
        except self._refusal as error:
            raise self._translated(error) from error
        return [Committed(record=numbered(record, *its)) for record, its in zip(records, given, strict=True)]

    def _chosen(self) -> Driver:
        if self.connection.dialect.name == "sqlite":
            self._driver = SQLite(self._raw, self.connection.dialect)
        else:
            from app.ledger.flight import Flight  # noqa: PLC0415 -- its driver is an extra

            self._driver = Flight(self._raw)
        self.connection.info[KEPT] = self._driver  # as long as the driver's connection lives, whoever has it meanwhile
        return self._driver

    def _translated(self, error: Exception) -> Exception:
        """As `Connection.execute` would raise it; a connection that is lost takes those in its pool with it."""
        dialect = self.connection.dialect
        is_lost = dialect.is_disconnect(error, self._raw, None)  # type: ignore[arg-type]  # it is the driver's
        if is_lost:
            self.connection.invalidate(error)
            self.connection.engine.dispose()
        return DBAPIError.instance(None, None, error, self._refusal, connection_invalidated=is_lost, dialect=dialect)


class SQLite:
    """Statements that sqlite3 keeps compiled, on one cursor: each ends the one before it."""

    def __init__(self, raw: Any, dialect: Dialect) -> None:
        self._run = raw.cursor().execute
        question: Any = newest(
            ["revision", "id"], {name: bindparam(name, type_=verdicts.c[name].type) for name in PART}
        )
        question, row = question.compile(dialect=dialect), cast("Any", insert(verdicts).compile(dialect=dialect))
        self._newest, self._insert = question.string, row.string
        self._part, self._row = itemgetter(*question.positiontup[: len(PART)]), itemgetter(*row.positiontup)
        self._limit = tuple(question.params[name] for name in question.positiontup[len(PART) :])
        self._last, self._set = (str(each.compile(dialect=dialect)) for each in (LAST_NUMBER, SET_NUMBER))

    def commit(self, records: Sequence[Record]) -> Sequence[Given]:
        """As in Driver."""
        self._run("BEGIN IMMEDIATE")
        (head,) = self._run(self._last).fetchone()
        self._run(self._set, (head + len(records),))
        given = [self._add(record, seq) for seq, record in enumerate(records, head + 1)]
        self._run("COMMIT")
        return given

    def _add(self, record: Record, seq: int) -> Given:
        row = row_of(record)
        before = None if record.part_id is None else self._run(self._newest, self._part(row) + self._limit).fetchone()
        row["seq"] = seq
        row["revision"], row["supersedes"] = revision, supersedes = follows(record, before)
        for name in JSON_NAMES:
            if row[name] is not None:
                row[name] = compact(row[name])
        self._run(self._insert, self._row(row))
        return seq, revision, supersedes
