"""What a target still has to get, read from the ledger: its commit order is the outbox.

In: a connection that reads. Out: which stations have something after a number, and the records of one. Refuses nothing.
One query looks through WINDOW numbers, so that a backlog of a million holds nobody up.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from app.delivery.targets import Target
from app.ledger.reading import WINDOW, head
from app.ledger.record import Record
from app.ledger.rows import record_of
from app.ledger.schema import verdicts

PAGE = 50  # records of a station in memory at once


@dataclass(frozen=True)
class Waiting:
    """Of one station, after a number: how many, up to which."""

    station: str
    count: int
    last_seq: int


@dataclass(frozen=True)
class Found:
    """What one look has seen."""

    stations: tuple[Waiting, ...]
    until: int
    """Everything up to here was looked at."""
    has_more: bool
    skipped: int
    """Verdicts before the first that the ledger still has."""


def look(connection: Connection, target: Target, after: int) -> Found:
    """Which stations have something for `target` after the number `after`."""
    now = head(connection)
    start = max(after, now.retired_seq)
    until = min(start + WINDOW, now.last_seq)
    station = func.coalesce(verdicts.c.station, "")
    query = (
        select(station, func.count(), func.max(verdicts.c.seq))
        .where(verdicts.c.seq > start, verdicts.c.seq <= until, *_wanted(target))
        .group_by(station)
    )
    rows = connection.execute(query).all()
    return Found(tuple(Waiting(*row) for row in rows), max(start, until), until < now.last_seq, start - after)


def count(connection: Connection, target: Target, station: str, after: int, until: int) -> int:
    """How many a station has between two numbers."""
    query = select(func.count()).where(verdicts.c.seq > after, verdicts.c.seq <= until, *_of(target, station))
    return int(connection.execute(query).scalar_one())


def page(connection: Connection, target: Target, station: str, after: int, until: int) -> list[Record]:
    """The next records of a station, in their order."""
    wanted = select(verdicts).where(*_of(target, station)).order_by(verdicts.c.seq).limit(PAGE)
    while after < until:
        end = min(after + WINDOW, until)
        rows = connection.execute(wanted.where(verdicts.c.seq > after, verdicts.c.seq <= end)).all()
        if rows:
            return [record_of(row) for row in rows]
        after = end
    return []


def _of(target: Target, station: str) -> tuple[ColumnElement[bool], ...]:
    return (func.coalesce(verdicts.c.station, "") == station, *_wanted(target))


def _wanted(target: Target) -> list[ColumnElement[bool]]:
    table, conditions = verdicts.c, list[ColumnElement[bool]]()
    for column, values in (
        (table.product, target.products),
        (table.station, target.stations),
        (table.verdict, target.verdicts),
    ):
        if values:
            conditions.append(column.in_(values))
    if not target.simulated:
        conditions.append(table.simulated.is_(False))
    return conditions
