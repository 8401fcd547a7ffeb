"""How far each target has come: durable, per station, and what was put aside on the way.

In: a connection in the writer's transaction, or one that reads. Out: positions, dead letters. Refuses: progress of an
epoch that has ended (False), and targets that were never enrolled (`UnknownTarget`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Update, delete, func, insert, select, update

from app.delivery.errors import UnknownTarget
from app.ledger.reading import head
from app.ledger.schema import dead_letters, target_stations, targets

SHOWN = 20  # dead letters that are listed, the newest


@dataclass(frozen=True)
class Position:
    """Of one target."""

    epoch: int
    seq: int
    """Every station is done up to here."""
    stations: Mapping[str, int] = field(default_factory=dict)
    """Those that have come further."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A verdict that its receiver refused for good."""

    seq: int
    verdict_id: str
    station: str
    attempts: int
    reason: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What has become of a target since it was last written down."""

    target: str
    epoch: int
    seq: int
    stations: Mapping[str, int]
    dead: Sequence[DeadLetter] = ()


def take(connection: Connection, name: str, begin: str) -> Position:
    """Where a target goes on, for whoever delivers from now on; one that is new gets its beginning."""
    if connection.execute(select(targets.c.name).where(targets.c.name == name)).one_or_none() is None:
        now = head(connection)
        seq = now.last_seq if begin == "latest" else now.retired_seq
        connection.execute(insert(targets).values(name=name, epoch=0, seq=seq))
    connection.execute(_next_epoch(name))
    return load(connection, name)


def load(connection: Connection, name: str) -> Position:
    """Where a target goes on."""
    row = connection.execute(select(targets).where(targets.c.name == name)).one_or_none()
    if row is None:
        raise UnknownTarget(f"target {name!r} has delivered nothing from this ledger yet")
    query = select(target_stations.c.station, target_stations.c.seq).where(target_stations.c.target == name)
    return Position(row.epoch, row.seq, {station: seq for station, seq in connection.execute(query)})  # noqa: C416


def epoch(connection: Connection, name: str) -> int:
    """Counts replays, and processes that took over."""
    return int(connection.execute(select(targets.c.epoch).where(targets.c.name == name)).scalar_one())


def advance(connection: Connection, progress: Progress) -> bool:
    """Write it down; False, and nothing written, where its epoch has ended."""
    name = progress.target
    mine = update(targets).where(targets.c.name == name, targets.c.epoch == progress.epoch).values(seq=progress.seq)
    if connection.execute(mine).rowcount == 0:
        return False
    for station, seq in progress.stations.items():
        where = (target_stations.c.target == name, target_stations.c.station == station)
        if connection.execute(update(target_stations).where(*where).values(seq=seq)).rowcount == 0:
            connection.execute(insert(target_stations).values(target=name, station=station, seq=seq))
    for letter in progress.dead:
        connection.execute(delete(dead_letters).where(dead_letters.c.target == name, dead_letters.c.seq == letter.seq))
        connection.execute(insert(dead_letters).values(target=name, **vars(letter)))
    return True


def rewind(connection: Connection, name: str, seq: int) -> None:
    """Go on after the number `seq`, which may lie before or after; what was put aside behind it is tried again."""
    if connection.execute(_next_epoch(name).values(seq=seq)).rowcount == 0:
        raise UnknownTarget(f"target {name!r} has delivered nothing from this ledger yet")
    connection.execute(delete(target_stations).where(target_stations.c.target == name))
    connection.execute(delete(dead_letters).where(dead_letters.c.target == name, dead_letters.c.seq > seq))


def dead(connection: Connection, name: str) -> tuple[int, list[DeadLetter]]:
    """How many were put aside, and the newest of them."""
    mine = dead_letters.c.target == name
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    columns = [dead_letters.c[field] for field in DeadLetter.__dataclass_fields__]
    rows = connection.execute(select(*columns).where(mine).order_by(dead_letters.c.seq.desc()).limit(SHOWN))
    return total, [DeadLetter(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's public name


def _next_epoch(name: str) -> Update:
    return update(targets).where(targets.c.name == name).values(epoch=targets.c.epoch + 1)
