"""A record ↔ a row of `verdicts`: the same names, so nothing is said twice. Refuses nothing."""

from typing import Any

from sqlalchemy import Row

from app.ledger.record import Record

LONGEST_DETAIL = 1000  # characters of an error's sentence


def row_of(record: Record) -> dict[str, Any]:
    """What is inserted."""
    row = dict(vars(record))
    if record.detail is not None:
        row["detail"] = record.detail.replace("\0", "�")[:LONGEST_DETAIL]  # PostgreSQL's text holds no NUL
    return row


def record_of(row: Row[Any]) -> Record:
    """What was read."""
    return Record(**row._mapping)  # noqa: SLF001 -- SQLAlchemy's public name
