"""A statement that is worked out once per database, and given to the driver as it is.

SQLAlchemy works out text and values of a statement each time that it runs, which for a record that is committed alone
takes longer than the statement does. In: a statement of SQLAlchemy Core, and the names of its values. Out: rows, as the
driver gives them. Refuses: what the database does, in SQLAlchemy's words, as `Connection.execute` would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from app.ledger.database import compact


@dataclass(frozen=True)
class _Text:
    """What a driver is given."""

    sql: str
    fixed: Mapping[str, Any]
    """Values that stand in the statement itself."""
    order: Sequence[str] | None
    """In which the driver takes values; None where it takes them by name."""


class Prepared:
    """One statement."""

    def __init__(self, statement: ClauseElement, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = names
        self._texts: dict[str, _Text] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """`values` has each name; lists and dicts become JSON."""
        text = self._texts.get(connection.dialect.name) or self._work_out(connection.dialect)
        given = {**text.fixed, **values}
        for name, value in values.items():
            if isinstance(value, dict | list):
                given[name] = compact(value)
        parameters = given if text.order is None else tuple([given[name] for name in text.order])
        return connection.exec_driver_sql(text.sql, parameters).cursor.fetchall()

    def _work_out(self, dialect: Dialect) -> _Text:
        compiled = cast("SQLCompiler", self._statement.compile(dialect=dialect, column_keys=list(self._names)))
        fixed = {name: value for name, value in compiled.params.items() if name not in self._names}
        text = _Text(compiled.string, fixed, compiled.positiontup)
        self._texts[dialect.name] = text
        return text
