"""Records → rows, inside one transaction of the writer.

In: a connection in a transaction, and what many callers want to have recorded. Out: per record what the ledger then
holds, or why it does not. Refuses: a key that belongs to another picture (`KeyTaken`), and that record alone.
The first statement locks the counter until the commit: writers of all processes take turns, `seq` has no gap, and a key
that is free here stays free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, or_, select, update

from app.ledger.errors import KeyTaken
from app.ledger.record import Committed, Record
from app.ledger.revisions import Revisions
from app.ledger.rows import record_of, row_of
from app.ledger.schema import counter, verdicts

SAME = ("product", "part_id", "station", "simulated", "picture_sha256")  # what a repeated request has in common
TAKE_NUMBERS = update(counter).values(last_seq=counter.c.last_seq + bindparam("count")).returning(counter.c.last_seq)
GIVE_BACK = update(counter).values(last_seq=bindparam("used"))


def store(connection: Connection, records: Sequence[Record]) -> list[Committed | KeyTaken]:
    """Insert what is new; a record that is there already, by its id or its key, is answered with what is there."""
    head: int = connection.execute(TAKE_NUMBERS, {"count": len(records)}).scalar_one() - len(records)
    known, revisions = _Known(connection, records), Revisions(connection, records)
    new: list[Record] = []
    for record in records:
        if known.like(record) is None:
            new.append(revisions.next(replace(record, seq=head + 1 + len(new))))
            known.add(new[-1])
    if len(new) < len(records):
        connection.execute(GIVE_BACK, {"used": head + len(new)})
    if new:
        connection.execute(insert(verdicts), [row_of(record) for record in new])
    return [known.outcome(record) for record in records]


class _Known:
    """What the ledger has under the ids and keys of a batch."""

    def __init__(self, connection: Connection, records: Sequence[Record]) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_key: dict[str, Record] = {}
        ids = [record.id for record in records]
        keys = [record.idempotency_key for record in records if record.idempotency_key is not None]
        is_known: ColumnElement[bool] = verdicts.c.id.in_(ids)
        if keys:
            is_known = or_(is_known, verdicts.c.idempotency_key.in_(keys))
        for row in connection.execute(select(verdicts).where(is_known)):
            self.add(record_of(row))

    def add(self, record: Record) -> None:
        """From now on it is there."""
        self._by_id[record.id] = record
        if record.idempotency_key is not None:
            self._by_key[record.idempotency_key] = record

    def like(self, record: Record) -> Record | None:
        """What is there in place of `record`."""
        return self._by_id.get(record.id) or self._by_key.get(record.idempotency_key or "")

    def outcome(self, record: Record) -> Committed | KeyTaken:
        """What the caller that sent `record` is told."""
        found = self.like(record) or record
        if found.id == record.id:
            return Committed(record=found)
        return conflict(found, vars(record)) or Committed(record=found, replayed=True)


def conflict(found: Record, sent: Mapping[str, Any]) -> KeyTaken | None:
    """Why a request, by its facts, cannot have the key of `found`; None where it is the same request again."""
    if all(getattr(found, name) == sent[name] for name in SAME):
        return None
    what = "picture" if found.picture_sha256 != sent["picture_sha256"] else "part"
    return KeyTaken(
        f"the idempotency key belongs to verdict {found.id!r}, of another {what}",
        stored_sha256=found.picture_sha256,
        sent_sha256=sent["picture_sha256"],
    )
