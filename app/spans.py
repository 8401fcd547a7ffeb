"""Requests as spans of a trace: sent to an OpenTelemetry collector where one is named, else only numbered.

In: the sender's trace; how the request ended, and its stages. Out: spans by OTLP over HTTP, in the background. Refuses:
an endpoint without the extra `otel` (`OtelMissing`), so that nobody waits for traces that never come. A collector
that is away costs no request anything.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from app.trace import Trace, child_of

NANOSECONDS = 1_000_000  # in a millisecond
OVERLAPPING = {"pool", "total"}  # stages that hold others


class OtelMissing(Exception):
    """INSPECT_OTLP_ENDPOINT is set and OpenTelemetry is not installed."""


class RequestSpan(Protocol):
    """One request."""

    @property
    def trace(self) -> Trace:
        """Its place."""

    def end(self, scope: Mapping[str, Any], status: int) -> None:
        """It was answered; `scope` is its ASGI scope, with the route and the stages."""


class Spans(Protocol):
    """Where spans come from."""

    def begin(self, sender: Trace | None) -> RequestSpan:
        """A request has come."""

    def close(self) -> None:
        """Send what waits to be sent."""


class PlainSpan:
    """Known to the log and to the sender, sent nowhere."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def end(self, scope: Mapping[str, Any], status: int) -> None:
        """Nothing."""


class NoSpans:
    """Traces go on, and are not recorded."""

    def begin(self, sender: Trace | None) -> PlainSpan:
        """A span of its own in the sender's trace."""
        return PlainSpan(child_of(sender))

    def close(self) -> None:
        """Nothing."""


def open_spans(endpoint: str | None, version: str) -> Spans:
    """By `endpoint`, such as http://collector:4318; nowhere for None."""
    if endpoint is None:
        return NoSpans()
    try:
        from app.otel import OtelSpans  # noqa: PLC0415 -- an optional extra
    except ImportError as exc:
        raise OtelMissing("INSPECT_OTLP_ENDPOINT needs OpenTelemetry: pip install 'inspect-line[otel]'") from exc
    return OtelSpans(endpoint, version)
