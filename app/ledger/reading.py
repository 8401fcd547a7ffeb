"""Questions to the ledger: one verdict, what follows a cursor, everything on one part.

In: a connection that reads. Out: records. Refuses: what is not there (`UnknownVerdict`, `UnknownPart`).
Numbers have no gap and become visible in their order (app/ledger/store.py), so a reader that goes on from the last
number it saw misses nothing, whoever writes.
"""

import time
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, func, select

from app.ledger.errors import UnknownPart, UnknownVerdict
from app.ledger.record import Record
from app.ledger.rows import record_of
from app.ledger.schema import counter, old_heatmaps, verdicts

WINDOW = 2_500  # numbers that one query looks through, some ms: a filter that fits nothing costs as little as any
SPENT_S = 0.01  # after which a page is given as far as it has come
WORST = ("ok", "review", "ng")  # last


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which verdicts; None is any."""

    product: str | None = None
    station: str | None = None
    part_id: str | None = None
    job: str | None = None
    verdict: tuple[str, ...] | None = None
    simulated: bool | None = None
    model_version: int | None = None
    since: str | None = None
    """Decided at this moment or later."""
    until: str | None = None
    """Decided before this moment."""


@dataclass(frozen=True)
class Page:
    """Verdicts in the order of their commits."""

    records: list[Record]
    last_seq: int
    """Everything up to here was looked at."""
    has_more: bool
    """Whether something after `last_seq` was there to be looked at."""


@dataclass(frozen=True)
class Head:
    """How far the ledger goes."""

    last_seq: int
    retired_seq: int


@dataclass(frozen=True)
class AtStation:
    """What counts of one product at one station for one part."""

    decisive: Record
    """The worst of the newest revision, and of several the newest."""
    newest: Record


@dataclass(frozen=True)
class Part:
    """The whole part."""

    counts_as: str
    stations: list[AtStation] = field(default_factory=list)


def head(connection: Connection) -> Head:
    """The last number, and the last that was retired."""
    row = connection.execute(select(counter.c.last_seq, counter.c.retired_seq)).one()
    return Head(row.last_seq, row.retired_seq)


def find(connection: Connection, verdict_id: str) -> Record:
    """One record by its id."""
    row = connection.execute(select(verdicts).where(verdicts.c.id == verdict_id)).one_or_none()
    if row is None:
        raise UnknownVerdict(f"no verdict {verdict_id!r} is in the ledger")
    return record_of(row)


def find_key(connection: Connection, key: str) -> Record | None:
    """The verdict that was given under an idempotency key, if any was."""
    row = connection.execute(select(verdicts).where(verdicts.c.idempotency_key == key)).one_or_none()
    return None if row is None else record_of(row)


def old_heatmap(connection: Connection, verdict_id: str) -> bytes | None:
    """The heatmap of a verdict of schema 1, where it was in the row."""
    return connection.execute(
        select(old_heatmaps.c.data).where(old_heatmaps.c.verdict_id == verdict_id)
    ).scalar_one_or_none()


def page(connection: Connection, query: Query, after: int, limit: int) -> Page:
    """At most `limit` records after the number `after`; fewer, or none, where looking took SPENT_S."""
    last, end = head(connection).last_seq, time.monotonic() + SPENT_S
    records: list[Record] = []
    wanted = select(verdicts).where(*conditions(query)).order_by(verdicts.c.seq)
    while after < last:
        until = min(after + WINDOW, last)
        window = wanted.where(verdicts.c.seq > after, verdicts.c.seq <= until).limit(limit - len(records))
        records += [record_of(row) for row in connection.execute(window)]
        if len(records) == limit:
            return Page(records, records[-1].seq, records[-1].seq < last)
        after = until
        if time.monotonic() > end:
            break
    return Page(records, after, after < last)


def part(connection: Connection, part_id: str) -> Part:
    """The newest revision of every station; simulated inspections of a part do not count."""
    mine = (verdicts.c.part_id == part_id, verdicts.c.simulated.is_(False))
    at = (verdicts.c.product, verdicts.c.station)
    query = select(*at, func.max(verdicts.c.revision).label("revision")).where(*mine).group_by(*at).order_by(*at)
    stations = [
        _at_station(connection, (*mine, at[0] == row.product, at[1].is_not_distinct_from(row.station)), row.revision)
        for row in connection.execute(query)
    ]
    if not stations:
        raise UnknownPart(f"no verdict names part {part_id!r}")
    return Part(max((each.decisive.counts_as for each in stations), key=WORST.index), stations)


def _at_station(connection: Connection, mine: tuple[ColumnElement[bool], ...], revision: int) -> AtStation:
    """An error stands until a verdict follows it; of verdicts of one revision the worst counts."""
    current = (*mine, verdicts.c.revision == revision)
    query = select(func.max(verdicts.c.seq)).where(*current).group_by(verdicts.c.verdict)
    numbers = connection.execute(query).scalars().all()
    rows = connection.execute(select(verdicts).where(verdicts.c.seq.in_(numbers)).order_by(verdicts.c.seq))
    records = [record_of(row) for row in rows]
    newest = records[-1]
    standing = [record for record in records if record.verdict != "error" or record is newest]
    return AtStation(max(standing, key=lambda record: (WORST.index(record.counts_as), record.seq)), newest)


def conditions(query: Query) -> list[ColumnElement[bool]]:
    """Of a SELECT from verdicts."""
    table = verdicts.c
    exact = ("product", "station", "part_id", "job", "simulated", "model_version")
    found = [table[name] == value for name in exact if (value := getattr(query, name)) is not None]
    if query.verdict is not None:
        found.append(table.verdict.in_(query.verdict))
    if query.since is not None:
        found.append(table.decided_at >= query.since)
    if query.until is not None:
        found.append(table.decided_at < query.until)
    return found
