"""Stored scores of one version of a product, the newest first, for questions of "what if".

In: which verdicts. Out: their scores and what was judged. Refuses nothing; errors and simulated parts have no place
here, and neither have scores of other versions, which mean something else.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from app.ledger.reading import WINDOW, head
from app.ledger.schema import dispositions, verdicts

SPENT_S = 2.0  # after which the answer is given as far as it has come


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which verdicts. `since` is inside, `until` is not."""

    product: str
    model_digest: str
    since: str | None = None
    until: str | None = None
    limit: int = 10_000


@dataclass(frozen=True)
class Score:
    """One verdict as it was given."""

    id: str
    seq: int
    part_id: str | None
    station: str | None
    decided_at: str
    verdict: str
    score: float
    found: str | None = None
    """What a person found of the part last: `good`, `defective`, or nothing yet."""


@dataclass(frozen=True)
class Scores:
    """The newest first."""

    scores: list[Score]
    complete: bool
    """False where older ones were left out, because of the limit or of SPENT_S."""


FOUND = (
    select(dispositions.c.found)
    .where(dispositions.c.verdict_id == verdicts.c.id)
    .order_by(dispositions.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
COLUMNS = [FOUND.label(name) if name == "found" else verdicts.c[name] for name in Score.__dataclass_fields__]


def scores(connection: Connection, window: Window) -> Scores:
    """At most `window.limit` scores."""
    found: list[Score] = []
    end = time.monotonic() + SPENT_S
    for wanted in _windows(head(connection).last_seq):
        query = select(*COLUMNS).where(wanted, *_conditions(window)).order_by(verdicts.c.seq.desc())
        found += [Score(*row) for row in connection.execute(query.limit(window.limit + 1 - len(found)))]
        if len(found) > window.limit or time.monotonic() > end:
            return Scores(found[: window.limit], complete=False)
    return Scores(found, complete=True)


def _windows(last: int) -> Iterator[ColumnElement[bool]]:
    """Downwards, so that no query looks through more than WINDOW rows."""
    for until in range(last, 0, -WINDOW):
        yield verdicts.c.seq.between(until - WINDOW + 1, until)


def _conditions(window: Window) -> list[ColumnElement[bool]]:
    table = verdicts.c
    conditions = [table.product == window.product, table.model_digest == window.model_digest]
    conditions += [table.verdict != "error", table.simulated.is_(False)]
    if window.since is not None:
        conditions.append(table.decided_at >= window.since)
    if window.until is not None:
        conditions.append(table.decided_at < window.until)
    return conditions
