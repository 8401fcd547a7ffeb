"""A record → what is sent of it: the same JSON as `GET /verdicts/{id}` gives. Refuses nothing."""

import json
from dataclasses import dataclass

from app.ledger.record import Record
from app.verdict import answer_of


@dataclass(frozen=True)
class Message:
    """One verdict on its way to one target."""

    record: Record
    body: bytes

    @property
    def id(self) -> str:
        """The verdict's."""
        return self.record.id

    @classmethod
    def of(cls, record: Record) -> "Message":
        """UTF-8, without the heatmap's bytes."""
        return cls(record, json.dumps(answer_of(record), separators=(",", ":"), ensure_ascii=False).encode())
