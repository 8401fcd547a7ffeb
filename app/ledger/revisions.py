"""Which revision of its part's verdict a record is.

In: the records of a batch, inside the writer's transaction. Out: the same with `revision` and `supersedes`. Refuses
nothing. Only a meant re-inspection counts up; what comes after it belongs to its revision. Parts are told apart by
product, station, name and whether they are simulated; a record without a part's name is a part of its own.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from app.ledger.record import Record
from app.ledger.schema import verdicts

_PART = (verdicts.c.product, verdicts.c.station, verdicts.c.part_id, verdicts.c.simulated)
Part = tuple[str, str | None, str | None, bool]


class Revisions:
    """Of the parts of one batch. One query, of an index that holds nothing but re-inspections."""

    def __init__(self, connection: Connection, records: Sequence[Record]) -> None:
        self._connection = connection
        self._current: dict[Part, int] = {}
        self._newest: dict[Part, str] = {}
        """Of this batch."""
        names = {record.part_id for record in records if record.part_id is not None}
        if names:
            query = select(*_PART, func.max(verdicts.c.revision)).where(
                verdicts.c.reinspect.is_(True), verdicts.c.part_id.in_(names)
            )
            self._current = {tuple(part): revision for *part, revision in connection.execute(query.group_by(*_PART))}

    def next(self, record: Record) -> Record:
        """The record as it is to be inserted, after those that were asked for before it."""
        if record.part_id is None:
            return record
        part = (record.product, record.station, record.part_id, record.simulated)
        revision, supersedes = self._current.get(part, 1), None
        if record.reinspect and (supersedes := self._before(part)) is not None:
            revision += 1
        self._current[part], self._newest[part] = revision, record.id
        return replace(record, revision=revision, supersedes=supersedes)

    def _before(self, part: Part) -> str | None:
        """The id of the newest record of a part; looked for only where a re-inspection is meant."""
        if part in self._newest:
            return self._newest[part]
        same = [column.is_not_distinct_from(value) for column, value in zip(_PART, part, strict=True)]
        query = select(verdicts.c.id).where(verdicts.c.part_id == part[2], *same).order_by(verdicts.c.seq.desc())
        found: str | None = self._connection.execute(query.limit(1)).scalar_one_or_none()
        return found
