"""W3C trace context: which trace a request belongs to, so that the camera's or the MES's own trace goes on here.

In: the header `traceparent`, if its sender gave a valid one. Out: our own place in that trace, or in a new one; the
header goes back with every answer. Refuses nothing: a malformed header begins a new trace, as the standard asks.
https://www.w3.org/TR/trace-context/
"""

import re
import secrets
from dataclasses import dataclass

HEADER = "traceparent"
ACCEPTED = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
SAMPLED = 0x01


@dataclass(frozen=True)
class Trace:
    """One span's place."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    is_sampled: bool

    @property
    def header(self) -> str:
        """As it is sent."""
        return f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.is_sampled else 0:02x}"


def read_traceparent(given: str | None) -> Trace | None:
    """The sender's span; None where there is none, or nothing that the standard allows."""
    found = None if given is None else ACCEPTED.match(given)
    if found is None or given is None or found["version"] == "ff":
        return None
    rest = given[found.end() :]
    if rest and (found["version"] == "00" or not rest.startswith("-")):  # later versions may say more
        return None
    if not (int(found["trace"], 16) and int(found["span"], 16)):
        return None
    return Trace(found["trace"], found["span"], bool(int(found["flags"], 16) & SAMPLED))


def child_of(sender: Trace | None) -> Trace:
    """A new span in the sender's trace, or the first one of a trace that nobody records."""
    if sender is None:
        return Trace(secrets.token_hex(16), secrets.token_hex(8), is_sampled=False)
    return Trace(sender.trace_id, secrets.token_hex(8), sender.is_sampled)
