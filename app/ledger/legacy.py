"""SQLite ledgers of before Alembic, schema 1 and 2: an answer as JSON in each row, in 1 its heatmap too.

In: such a ledger, inside the transaction that migrates it. Out: its verdicts in today's tables, in their order,
numbered from 1; what was not recorded then is NULL. Refuses: a ledger in which a verdict would be lost.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, insert, text, update

from app.ledger.errors import WrongSchema
from app.ledger.record import Record
from app.ledger.rows import row_of
from app.ledger.schema import counter, old_heatmaps, verdicts

OLD_SCHEMAS = (1, 2)
ASIDE = "verdicts_of_before"
STEP = 500  # rows that are in memory at once
Answer = dict[str, Any]


def old_schema(connection: Connection) -> int:
    """PRAGMA user_version; 0 in a new file and in PostgreSQL, where no such ledger was."""
    return (
        0
        if connection.dialect.name != "sqlite"
        else int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    )


def set_aside(connection: Connection) -> None:
    """Give the table another name, so that today's can be made."""
    connection.execute(text(f"ALTER TABLE verdicts RENAME TO {ASIDE}"))


def take_over(connection: Connection) -> None:
    """Copy every verdict, and drop what they are copied from."""
    copied = 0
    for rows in _steps(connection):
        records = [_record(copied + place, row) for place, row in enumerate(rows, 1)]
        connection.execute(insert(verdicts), [row_of(record) for record in records])
        heatmaps = [{"verdict_id": row.id, "data": row.heatmap} for row in rows if row.heatmap is not None]
        if heatmaps:
            connection.execute(insert(old_heatmaps), heatmaps)
        copied += len(rows)
    expected = connection.execute(text(f"SELECT count(*) FROM {ASIDE}")).scalar_one()  # noqa: S608 -- our own name
    if copied != expected:
        raise WrongSchema(f"{copied} of {expected} verdicts could be copied: nothing was changed")
    connection.execute(update(counter).values(last_seq=copied))
    connection.execute(text(f"DROP TABLE {ASIDE}"))


def _steps(connection: Connection) -> Iterator[list[Row[Any]]]:
    found, last = True, 0
    query = text(f"SELECT * FROM {ASIDE} WHERE sequence > :last ORDER BY sequence LIMIT {STEP}")  # noqa: S608
    while found:
        rows = list(connection.execute(query, {"last": last}))
        found = bool(rows)
        if found:
            last = rows[-1].sequence
            yield rows


def _record(seq: int, row: Row[Any]) -> Record:
    answer: Answer = json.loads(row.answer)
    thresholds, model, picture = (answer.get(name) or {} for name in ("thresholds", "model", "picture"))
    return Record(
        seq=seq,
        id=row.id,
        product=row.product,
        verdict=row.verdict,
        counts_as=row.verdict,
        score=row.score,
        decided_at=row.inspected_at,
        **_pick(answer, ("part_id", "station", "captured_at", "received_at", "heatmap")),
        **_pick(thresholds, ("ng_above", "review_above", "decided_by")),
        threshold_revision=thresholds.get("revision"),
        model_version=model.get("version"),
        model_digest=model.get("digest"),
        picture_width=picture.get("width"),
        picture_height=picture.get("height"),
        picture_format=picture.get("format"),
        regions=answer.get("regions") or [],
        timings_ms=answer.get("timings_ms") or {},
    )


def _pick(source: Answer, names: Iterable[str]) -> Answer:
    return {name: source.get(name) for name in names}
