"""What people found of inspected parts, and what that says about the verdicts.

In: dispositions, appended and never edited; the newest of a verdict counts. Out: how often each verdict was right, with
exact intervals. Refuses: to dispose of a verdict that is not there (`UnknownVerdict`), or of an error.
Only parts that a person looked at can be counted, and those are rarely a random sample: `looked_at` says how many.
"""

from dataclasses import dataclass
from typing import Literal

from scipy.special import betaincinv
from sqlalchemy import Connection, func, insert, select

from app.ledger.errors import NothingToDispose, UnknownVerdict
from app.ledger.reading import Query, conditions
from app.ledger.schema import dispositions, verdicts

Found = Literal["good", "defective"]
CONFIDENCE = 0.95
JUDGED = ("ok", "review", "ng")


@dataclass(frozen=True, kw_only=True)
class Disposition:
    """What a person found of one part."""

    verdict_id: str
    found: Found
    who: str
    operator: str | None = None
    authenticated: bool = False
    reason: str | None = None
    at: str


@dataclass(frozen=True)
class Rate:
    """A share, and the interval that holds the true one with CONFIDENCE; nothing is known without a look."""

    rate: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Looked:
    """Parts of one verdict: how many, how many of them a person looked at, and found defective."""

    parts: int
    looked_at: int
    defective: int


@dataclass(frozen=True)
class Agreement:
    """Of one product. Both rates are per inspected part, from those looked at of each verdict."""

    looked: dict[str, Looked]
    false_reject: Rate
    """Good parts that were judged ng."""
    escape: Rate
    """Defective parts that were judged ok."""


def dispose(connection: Connection, disposition: Disposition) -> None:
    """Append one, inside the writer's transaction."""
    query = select(verdicts.c.product, verdicts.c.verdict).where(verdicts.c.id == disposition.verdict_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise UnknownVerdict(f"no verdict {disposition.verdict_id!r} is in the ledger")
    if found.verdict == "error":
        raise NothingToDispose(f"record {disposition.verdict_id!r} is an error: inspect the part again")
    connection.execute(insert(dispositions).values(product=found.product, **vars(disposition)))


def dispositions_of(connection: Connection, verdict_id: str) -> list[Disposition]:
    """All of one verdict, the newest last."""
    columns = [dispositions.c[name] for name in Disposition.__dataclass_fields__]
    query = select(*columns).where(dispositions.c.verdict_id == verdict_id).order_by(dispositions.c.seq)
    return [Disposition(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 -- its public name


def agreement(connection: Connection, query: Query) -> Agreement:
    """How often people agreed with the verdicts that `query` asks for."""
    mine = conditions(query)
    counts = connection.execute(select(verdicts.c.verdict, func.count()).where(*mine).group_by(verdicts.c.verdict))
    parts: dict[str, int] = {verdict: count for verdict, count in counts}  # noqa: C416 -- rows are no tuples to mypy
    newest = (
        select(func.max(dispositions.c.seq))
        .where(dispositions.c.product == query.product)
        .group_by(dispositions.c.verdict_id)
    )
    both = (
        select(verdicts.c.verdict, dispositions.c.found, func.count())
        .join(dispositions, dispositions.c.verdict_id == verdicts.c.id)
        .where(dispositions.c.seq.in_(newest), *mine)
        .group_by(verdicts.c.verdict, dispositions.c.found)
    )
    found = {(verdict, what): count for verdict, what, count in connection.execute(both)}
    looked = {
        verdict: Looked(
            parts.get(verdict, 0),
            found.get((verdict, "good"), 0) + found.get((verdict, "defective"), 0),
            found.get((verdict, "defective"), 0),
        )
        for verdict in JUDGED
    }
    total = sum(each.parts for each in looked.values())
    ng, ok = looked["ng"], looked["ok"]
    return Agreement(
        looked,
        false_reject=_scaled(rate_of(ng.looked_at - ng.defective, ng.looked_at), ng.parts, total),
        escape=_scaled(rate_of(ok.defective, ok.looked_at), ok.parts, total),
    )


def rate_of(hits: int, tries: int) -> Rate:
    """Clopper and Pearson's exact interval (1934); `hits` of `tries`."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, tries - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, tries - hits, 1 - tail)) if hits < tries else 1.0
    return Rate(hits / tries if tries else None, low, high)


def _scaled(rate: Rate, parts: int, total: int) -> Rate:
    """Per inspected part instead of per part of that verdict, whose share is counted and not estimated."""
    share = parts / total if total else 1.0
    return Rate(None if rate.rate is None else rate.rate * share, rate.low * share, rate.high * share)
