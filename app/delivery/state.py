"""How one target is, for people and for Prometheus. Refuses nothing."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TargetState:
    """One target, as it is now. `trouble` is the receiver's last failure, until it takes something."""

    target: str
    kind: str
    place: str
    serves: bool
    trouble: str | None
    waiting: int
    oldest_s: float
    delivered: int
    failed: int
    dead: int
    position: int
    is_away: bool

    @property
    def word(self) -> Literal["delivering", "away", "refusing", "standby"]:
        """In one word."""
        if not self.serves:
            return "standby"
        if self.trouble is None:
            return "delivering"
        return "away" if self.is_away else "refusing"
