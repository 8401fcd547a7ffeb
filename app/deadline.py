"""`X-Deadline-Ms` → the moment after which a verdict is of no use to its sender.

In: the header, the settings, when the request came. Out: a moment of time.monotonic(), infinite without a deadline.
Refuses: a header that is no whole number of milliseconds, from 1 to LONGEST_MS.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.arrival import Arrival
from app.errors import InvalidRequest

HEADER = "X-Deadline-Ms"
LONGEST_MS = 600_000
ACCEPTED = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Deadlines:
    """Milliseconds from a request's head, for those that name none themselves."""

    default_ms: int | None = None
    products: Mapping[str, int] = field(default_factory=dict)

    def due(self, arrival: Arrival, product: str, given_ms: int | None) -> float:
        """The sender's own deadline, else the product's, else the default one."""
        chosen = given_ms or self.products.get(product) or self.default_ms
        return math.inf if chosen is None else arrival.at + chosen / 1000


def read_deadline_ms(given: str | None) -> int | None:
    """What the header says; None where there is none."""
    if given is None:
        return None
    if not ACCEPTED.fullmatch(given) or int(given) > LONGEST_MS:
        raise InvalidRequest(f"{HEADER} is a whole number of milliseconds from 1 to {LONGEST_MS}")
    return int(given)
