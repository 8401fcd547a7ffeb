"""What the drift charts of a version have seen, so that a restart forgets no alarm: parts of late, and learned rates.

In: a version, by digest. Out: the last parts of each of its stations, in the order of their commits, and the reject
rates that were learned as normal. Refuses nothing; errors, simulated parts and other versions say nothing here.
"""

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select

from app.ledger.reading import WINDOW, head
from app.ledger.record import Record
from app.ledger.schema import reject_rates, verdicts

RECALL = 1000
"""Parts of a station: an EWMA of weight 0.01 has forgotten what lies before them (0.99^1000 = 4e-5)."""
SPENT_S = 1.0  # after which what was found is enough


@dataclass(frozen=True)
class PastPart:
    """Of a verdict, what charts are made of. `seq` is 0 while it waits in the journal."""

    seq: int
    station: str | None
    score: float
    threshold_revision: int
    mean: float
    contrast: float
    sharpness: float
    saturated_share: float


@dataclass(frozen=True)
class LearnedRate:
    """Share of rejects that was normal at a station under a revision of the thresholds."""

    model_digest: str
    station: str
    """As the charts call it: empty for none, `other` beyond their limit."""
    revision: int
    rate: float
    at: str


@dataclass(frozen=True)
class Past:
    """Of one version; nothing of what comes after `last_seq` is in it."""

    last_seq: int = 0
    parts: list[PastPart] = field(default_factory=list)
    rates: list[LearnedRate] = field(default_factory=list)


class _Station:
    """Its parts, the newest first, until one of another version comes or there are enough."""

    def __init__(self) -> None:
        self.parts: list[PastPart] = []
        self._is_done = False

    def take(self, part: PastPart, *, is_mine: bool) -> bool:
        self._is_done |= not is_mine or len(self.parts) == RECALL
        if not self._is_done:
            self.parts.append(part)
        return not self._is_done


COLUMNS = [verdicts.c[name] for name in PastPart.__dataclass_fields__]


def past_part(record: Record) -> PastPart:
    """The same of a record that was just given; it is no error."""
    return PastPart(*(getattr(record, name) for name in PastPart.__dataclass_fields__))


def past(connection: Connection, product: str, model_digest: str) -> Past:
    """At most RECALL parts of each station since another version served there.

    A station that sent nothing for WINDOW numbers is not looked for further back.
    """
    now, end = head(connection), time.monotonic() + SPENT_S
    mine = (verdicts.c.product == product, verdicts.c.mean.is_not(None))
    counted = (verdicts.c.verdict != "error", verdicts.c.simulated.is_(False))
    stations: dict[str | None, _Station] = {}
    for until in range(now.last_seq, now.retired_seq, -WINDOW):
        window = verdicts.c.seq.between(until - WINDOW + 1, until)
        query = select(*COLUMNS, verdicts.c.model_digest).where(window, *mine, *counted)
        had, took = bool(stations), False
        for *values, digest in connection.execute(query.order_by(verdicts.c.seq.desc())):
            part = PastPart(*values)
            took |= stations.setdefault(part.station, _Station()).take(part, is_mine=digest == model_digest)
        if time.monotonic() > end or (had and not took):
            break
    parts = sorted((part for station in stations.values() for part in station.parts), key=lambda part: part.seq)
    return Past(now.last_seq, parts, _rates(connection, model_digest))


def keep_rate(connection: Connection, learned: LearnedRate) -> None:
    """Append one inside the writer's transaction; the first that was learned stays."""
    table, key = reject_rates.c, ("model_digest", "station", "revision")
    known = select(table.seq).where(*(table[name] == getattr(learned, name) for name in key))
    if connection.execute(known).first() is None:
        connection.execute(insert(reject_rates).values(**vars(learned)))


def _rates(connection: Connection, model_digest: str) -> list[LearnedRate]:
    columns = [reject_rates.c[name] for name in LearnedRate.__dataclass_fields__]
    query = select(*columns).where(reject_rates.c.model_digest == model_digest)
    return [LearnedRate(*row) for row in connection.execute(query)]
