"""What an audit has put on hold: pictures and heatmaps that retention leaves alone.

In: holds and their ends, appended and never edited; the newest of a verdict counts. Out: their history, and what is on
hold now. Refuses: a verdict that is not there (`UnknownVerdict`), the end of a hold that is none (`NotOnHold`).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from app.ledger.errors import NotOnHold, UnknownVerdict
from app.ledger.schema import holds, verdicts


@dataclass(frozen=True, kw_only=True)
class Hold:
    """One event: put on hold, or let go."""

    verdict_id: str
    held: bool
    who: str
    operator: str | None = None
    authenticated: bool = False
    why: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a verdict on hold refers to."""

    verdict_id: str
    picture_sha256: str | None
    heatmap: dict[str, Any] | None


def hold(connection: Connection, event: Hold) -> None:
    """Append one, inside the writer's transaction."""
    known = select(verdicts.c.id).where(verdicts.c.id == event.verdict_id)
    if connection.execute(known).one_or_none() is None:
        raise UnknownVerdict(f"no verdict {event.verdict_id!r} is in the ledger")
    before = holds_of(connection, event.verdict_id)
    if not event.held and not (before and before[-1].held):
        raise NotOnHold(f"verdict {event.verdict_id!r} is not on hold")
    connection.execute(insert(holds).values(vars(event)))


def holds_of(connection: Connection, verdict_id: str) -> list[Hold]:
    """All of one verdict, the newest last."""
    columns = [holds.c[name] for name in Hold.__dataclass_fields__]
    query = select(*columns).where(holds.c.verdict_id == verdict_id).order_by(holds.c.seq)
    return [Hold(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 -- its public name


def held(connection: Connection) -> list[Reference]:
    """What is on hold now."""
    newest = select(func.max(holds.c.seq)).group_by(holds.c.verdict_id)
    query = (
        select(verdicts.c.id, verdicts.c.picture_sha256, verdicts.c.heatmap)
        .join(holds, holds.c.verdict_id == verdicts.c.id)
        .where(holds.c.seq.in_(newest), holds.c.held)
    )
    return [
        Reference(verdict_id=row.id, picture_sha256=row.picture_sha256, heatmap=row.heatmap)
        for row in connection.execute(query)
    ]
