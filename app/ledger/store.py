"""Records → rows, inside one transaction of the writer.

In: a connection in a transaction, and what many callers want to have recorded. Out: per record what the ledger then
holds, or why it does not. Refuses: a key that belongs to another picture (`KeyTaken`), and that record alone.
The first statement locks the counter until the commit: writers of all processes take turns, `seq` has no gap, and a key
that is free here stays free.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from app.ledger.errors import KeyTaken
from app.ledger.record import Committed, Record
from app.ledger.revisions import GIVEN, OF_PART, given
from app.ledger.rows import record_of, row_of
from app.ledger.schema import counter, verdicts

SAME = ("product", "part_id", "station", "simulated", "picture_sha256")  # what a repeated request has in common
TAKE_NUMBERS = update(counter).values(last_seq=counter.c.last_seq + bindparam("count")).returning(counter.c.last_seq)
LAST_NUMBER = select(counter.c.last_seq)
SET_NUMBER = update(counter).values(last_seq=bindparam("used"))
INSERT = insert(verdicts).values(
    given({name: bindparam(f"its_{name}", type_=verdicts.c[name].type) for name in OF_PART})
)
GIVEN_LATELY = select(verdicts.c.id, *(verdicts.c[name] for name in GIVEN)).where(verdicts.c.seq > bindparam("head"))


def store(
    connection: Connection, records: Sequence[Record], doubtful: Collection[str] = (), spooled: Collection[str] = ()
) -> list[Committed | KeyTaken]:
    """Insert what is new; a record that is there already is answered with what is there.

    It may be there by its key; by its id an error may, whose part got a verdict all the same, and those of `doubtful`,
    whose commit was not answered. Those of `spooled` were answered before: where their key is another's by now, they
    are recorded without it.
    """
    head = connection.execute(TAKE_NUMBERS, {"count": len(records)}).scalar_one() - len(records)
    known = _Known(connection, records, {*doubtful, *spooled})
    records = [known.without_foreign_key(record) if record.id in spooled else record for record in records]
    new: list[Record] = []
    for record in records:
        if known.like(record) is None:
            new.append(replace(record, seq=head + 1 + len(new)))
            known.add(new[-1])
    if len(new) < len(records):
        connection.execute(SET_NUMBER, {"used": head + len(new)})
    if new:
        connection.execute(INSERT, [_parameters(record) for record in new])
        for name, revision, supersedes in connection.execute(GIVEN_LATELY, {"head": head}):
            if revision != 1:
                known.add(replace(known.by_id[name], revision=revision, supersedes=supersedes))
    return [known.outcome(record) for record in records]


class _Known:
    """What the ledger has under the ids and keys of a batch."""

    def __init__(self, connection: Connection, records: Sequence[Record], doubtful: Collection[str]) -> None:
        self.by_id: dict[str, Record] = {}
        self._by_key: dict[str, Record] = {}
        ids = [record.id for record in records if record.verdict == "error" or record.id in doubtful]
        keys = [record.idempotency_key for record in records if record.idempotency_key is not None]
        for column, values in ((verdicts.c.id, ids), (verdicts.c.idempotency_key, keys)):
            for row in connection.execute(select(verdicts).where(column.in_(values))) if values else ():
                self.add(record_of(row))

    def add(self, record: Record) -> None:
        """From now on it is there."""
        self.by_id[record.id] = record
        if record.idempotency_key is not None:
            self._by_key[record.idempotency_key] = record

    def like(self, record: Record) -> Record | None:
        """What is there in place of `record`."""
        return self.by_id.get(record.id) or self._by_key.get(record.idempotency_key or "")

    def without_foreign_key(self, record: Record) -> Record:
        """The record, whose key is dropped where it is another record's."""
        found = self._by_key.get(record.idempotency_key or "")
        return record if found is None or found.id == record.id else replace(record, idempotency_key=None)

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


def _parameters(record: Record) -> dict[str, Any]:
    row = row_of(record)
    for name in GIVEN:
        del row[name]
    return row | {f"its_{name}": row[name] for name in OF_PART}
