"""A record ↔ those before it of the same part: its revision, and what it takes the place of.

In: what identifies the part. Out: the newest record of it, as a question, and what follows from that, as SQL for an
INSERT or for a row that was read. Refuses nothing. Both forms say the same, and the ledger's tests run on both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, select

from app.ledger.record import Record
from app.ledger.schema import verdicts

GIVEN = ("revision", "supersedes")
PART = ("part_id", "product", "station", "simulated")
OF_PART = (*PART, "reinspect")  # what the two are computed from
Given = tuple[int, int, str | None]  # what the ledger gives a record: seq, revision, supersedes
_before = verdicts.alias("before")


def newest(columns: Sequence[str], its: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    """Of the record before this one of the same part; simulated parts are others than real ones."""
    same = (_before.c[name].is_not_distinct_from(its[name]) for name in PART if name != "part_id")
    question = select(*(_before.c[name] for name in columns)).where(_before.c.part_id == its["part_id"], *same)
    return question.order_by(_before.c.seq.desc()).limit(1)


def given(its: Mapping[str, ColumnElement[Any]]) -> dict[str, ColumnElement[Any]]:
    """An expression for each of GIVEN; `its` has those of OF_PART."""
    revision = newest(["revision"], its).scalar_subquery() + case((its["reinspect"], 1), else_=0)
    return {
        "revision": func.coalesce(revision, 1),
        "supersedes": case((its["reinspect"], newest(["id"], its).scalar_subquery()), else_=null()),
    }


def follows(record: Record, before: tuple[int, str] | None) -> tuple[int, str | None]:
    """GIVEN of `record`, where `before` are the revision and id of the newest."""
    if before is None:
        return 1, None
    revision, name = before
    return (revision + 1, name) if record.reinspect else (revision, None)
