"""Wire types of deliveries: how each target is, what it refused, and a replay."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DeliveryAnswer(BaseModel):
    """One target. Counts are since the start of the process that delivers; `dead` and `cursor` outlive it."""

    target: str
    kind: Literal["webhook", "mqtt"]
    place: str
    """Its host."""
    state: Literal["delivering", "away", "refusing", "standby"]
    """`standby`: another process on this ledger delivers, or the ledger is away."""
    reason: str | None
    """The receiver's last failure, until it takes something."""
    waiting: int
    """Verdicts that it has not got, as far as the ledger was looked through."""
    oldest_s: float
    """Age of the oldest verdict that is being tried."""
    delivered: int
    failed_attempts: int
    dead: int
    """Verdicts that are put aside; a replay tries them again."""
    cursor: str
    """Everything up to here is delivered or put aside."""


class DeadLetterAnswer(BaseModel):
    """A verdict that was refused so often that it is put aside."""

    verdict_id: str
    seq: int
    station: str | None
    attempts: int
    reason: str
    at: str
    before: str
    """The cursor from which a replay begins with this verdict."""


class DeliveryDetail(DeliveryAnswer):
    """One target, with the newest verdicts that were put aside."""

    dead_letters: list[DeadLetterAnswer]


class Replay(BaseModel):
    """Where a target is to go on."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = Field(
        None, max_length=200, description="A cursor, `latest` to give up what waits, or null for everything there is."
    )
