"""Threshold revisions that people made, beside the calibrated ones that a version's manifest holds.

In: changes, appended and never edited. Out: a revision each, counted per version from that of its manifest; what others
have changed since. Refuses: a change made in view of thresholds that are no longer in force (`ThresholdsChanged`).
A change belongs to the version whose scores it was chosen for, by digest: no other version ever gets it.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, insert, select

from app.ledger.errors import ThresholdsChanged
from app.ledger.schema import thresholds


@dataclass(frozen=True, kw_only=True)
class ThresholdChange:
    """One revision. `seq` counts changes of the whole ledger, as its readers see them."""

    seq: int = 0
    product: str
    model_version: int
    model_digest: str
    revision: int
    ng_above: float
    review_above: float
    who: str
    operator: str | None = None
    authenticated: bool = False
    why: str
    at: str


@dataclass(frozen=True, kw_only=True)
class NewThresholds:
    """A change that has no revision yet. `change.revision` is that of the manifest."""

    change: ThresholdChange
    seen: int | None
    """The revision that its author believes to be in force; None asks for no such check."""


COLUMNS = [thresholds.c[name] for name in ThresholdChange.__dataclass_fields__]


def change(connection: Connection, new: NewThresholds) -> ThresholdChange:
    """Append one, inside the writer's transaction, which has locked the counter: revisions have no gap."""
    made = new.change
    mine = select(func.max(thresholds.c.revision)).where(thresholds.c.model_digest == made.model_digest)
    newest = max(made.revision, connection.execute(mine).scalar_one() or 0)
    if new.seen is not None and new.seen != newest:
        raise ThresholdsChanged(f"revision {newest} is in force for {made.product}@{made.model_version}")
    values = vars(replace(made, revision=newest + 1)).copy()
    del values["seq"]
    seq = connection.execute(insert(thresholds).values(values).returning(thresholds.c.seq)).scalar_one()
    return ThresholdChange(**values | {"seq": seq})


def changes(connection: Connection, after: int = 0) -> list[ThresholdChange]:
    """Those of all products after the number `after`, in their order."""
    query = select(*COLUMNS).where(thresholds.c.seq > after).order_by(thresholds.c.seq)
    return [ThresholdChange(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 -- its public name


def history(connection: Connection, product: str) -> list[ThresholdChange]:
    """Those of one product, the newest last."""
    query = select(*COLUMNS).where(thresholds.c.product == product).order_by(thresholds.c.seq)
    return [ThresholdChange(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 -- its public name
