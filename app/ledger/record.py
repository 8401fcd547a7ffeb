"""One inspection as the ledger keeps it: flat, so that a row, a CSV line and an auditor's query name the same things.

In: what is known about a picture and what became of it. Out: a frozen record. Refuses nothing. Moments are UTC, RFC
3339 with milliseconds, as text: it sorts as time does, and reads the same in every database.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["ok", "review", "ng", "error"]
CountsAs = Literal["ok", "review", "ng"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A verdict, or an error in its place. `seq`, `revision` and `supersedes` are given by the ledger."""

    seq: int = 0
    """Counts from 1, without a gap, in the order of commits; 0 before."""
    id: str
    product: str
    part_id: str | None = None
    station: str | None = None
    job: str | None = None
    simulated: bool = False
    captured_at: str | None = None
    received_at: str | None = None
    queued_at: str | None = None
    decided_at: str
    verdict: Kind
    code: str | None = None
    """Why there is no verdict; only where `verdict` is `error`."""
    detail: str | None = None
    counts_as: CountsAs
    """What the MES shall do with the part: an error counts as `ng` or `review`, never as `ok`."""
    score: float | None = None
    ng_above: float | None = None
    review_above: float | None = None
    decided_by: float | None = None
    threshold_revision: int | None = None
    model_version: int | None = None
    model_digest: str | None = None
    spec_digest: str | None = None
    software: str | None = None
    device: str | None = None
    precision: str | None = None
    picture_sha256: str | None = None
    """Of the bytes as they were sent."""
    picture_width: int | None = None
    picture_height: int | None = None
    picture_format: str | None = None
    mean: float | None = None
    contrast: float | None = None
    sharpness: float | None = None
    saturated_share: float | None = None
    regions: list[dict[str, Any]] = field(default_factory=list)
    heatmap: dict[str, Any] | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    revision: int = 1
    """Of the verdict on this part of this product at this station."""
    supersedes: str | None = None
    """The id of the verdict that a meant re-inspection takes the place of."""
    request_id: str | None = None
    idempotency_key: str | None = None
    reinspect: bool = False
    """Whether the sender means to inspect the part again; decides `revision`."""
    picture_kept: Literal["kept", "lost"] | None = None
    """None where the policy wanted no picture of such a part; retention may remove a kept one later."""


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What the ledger holds after an append."""

    record: Record
    replayed: bool = False
    """Whether it was there before, under the same idempotency key."""


def numbered(record: Record, seq: int, revision: int, supersedes: str | None) -> Record:
    """With what the ledger gives; `dataclasses.replace` takes longer for so many facts than SQLite for the row."""
    made = object.__new__(Record)
    vars(made).update(vars(record), seq=seq, revision=revision, supersedes=supersedes)
    return made


def timestamp(moment: datetime) -> str:
    """UTC, RFC 3339, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
