"""One request to inspect, on its way to a record: a picture, its part, and the id that its verdict will have.

In: the picture and what its sender said, headers included. Out: a frozen `Submission`. Refuses: an idempotency key that
is none (`InvalidRequest`).
"""

import asyncio
import hashlib
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.arrival import Arrival
from app.errors import InvalidRequest
from app.ledger.record import timestamp
from app.part import Part

KEY = "Idempotency-Key"
ACCEPTED = re.compile(r'"?([\x21\x23-\x7e]{1,200})"?')  # the draft of the IETF has quotes, most clients have none
PREFER = "Prefer"
LATER = "respond-async"
QUICK = 1 << 20  # bytes that are hashed at once, in less than a millisecond


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Nothing here changes any more."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    part: Part
    data: bytes = b""
    sha256: str | None = None
    """Of `data`; None where no picture arrived."""
    received_at: datetime
    request_id: str | None = None
    due: float = math.inf
    """A moment of time.monotonic(), after which a verdict is of no use."""
    key: str | None = None
    """Requests of one key are one request."""

    def under(self, key: str | None) -> "Submission":
        """The same, with this idempotency key."""
        return replace(self, key=key)

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of it, whatever becomes of it."""
        part = self.part
        return {
            "id": self.id,
            "product": part.product,
            "part_id": part.part_id,
            "station": part.station,
            "job": part.job,
            "simulated": part.simulated,
            "reinspect": part.reinspect,
            "captured_at": None if part.captured_at is None else timestamp(part.captured_at),
            "received_at": timestamp(self.received_at),
            "picture_sha256": self.sha256,
            "request_id": self.request_id,
        }


async def submit(data: bytes, part: Part, arrival: Arrival, *, due: float) -> Submission:
    """The submission of a picture that has arrived, without a key."""
    sha256 = _hash(data) if len(data) <= QUICK else await asyncio.to_thread(_hash, data)
    return Submission(
        part=part,
        data=data,
        sha256=sha256,
        received_at=arrival.received_at,
        request_id=arrival.request_id,
        due=due,
    )


def natural_key(submission: Submission) -> str | None:
    """The same picture of the same part at the same station is the same request; a part without a name has none."""
    part = submission.part
    if part.part_id is None or part.reinspect:
        return None
    words = "\0".join((part.product, part.station or "", part.part_id, str(part.simulated), str(submission.sha256)))
    return f"natural:{hashlib.sha256(words.encode()).hexdigest()}"


def read_key(headers: Mapping[str, str]) -> str | None:
    """What the header says; None where there is none."""
    given = headers.get(KEY)
    if given is None:
        return None
    match = ACCEPTED.fullmatch(given.strip())
    if match is None:
        raise InvalidRequest(f"{KEY} is 1 to 200 visible characters of ASCII, in quotes or not")
    return match.group(1)


def wants_later(headers: Mapping[str, str]) -> bool:
    """Whether the sender would rather poll (RFC 7240)."""
    wishes = (wish.partition(";")[0].strip().lower() for wish in headers.get(PREFER, "").split(","))
    return LATER in wishes


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
