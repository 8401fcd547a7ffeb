"""A request's head → who it is and when it came; the id goes back with every answer.

In: `X-Request-Id`, if its sender gave one that can stand in a header, a log line and JSON as it is; another is replaced
and never repeated; `traceparent`. Out: `request.state.arrival`, both headers on the answer, and both ids in every line
that is logged meanwhile. Refuses nothing.
Pure ASGI: Starlette's BaseHTTPMiddleware would run every request in a task and its answer through a stream.
"""

import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.spans import Spans
from app.trace import HEADER, Trace, child_of, read_traceparent

REQUEST_ID = "X-Request-Id"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Arrival:
    """What is known before the body."""

    request_id: str
    received_at: datetime
    """UTC; when the service had the request's head."""
    at: float
    """The same moment of time.monotonic()."""
    trace: Trace = field(default_factory=lambda: child_of(None))


class Arrivals:
    """Middleware that notes the arrival of each request."""

    def __init__(self, app: ASGIApp, spans: Spans) -> None:
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; what is not HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head, status = Headers(scope=scope), 500
        span = self._spans.begin(read_traceparent(head.get(HEADER)))
        arrival = Arrival(choose_id(head.get(REQUEST_ID)), datetime.now(UTC), time.monotonic(), span.trace)
        scope.setdefault("state", {})["arrival"] = arrival

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, headers = message["status"], MutableHeaders(scope=message)
                headers[REQUEST_ID], headers[HEADER] = arrival.request_id, arrival.trace.header
            await send(message)

        try:
            with bound_contextvars(request_id=arrival.request_id, trace_id=arrival.trace.trace_id):
                await self._app(scope, receive, send_with_ids)
        finally:
            span.end(scope, status)


def choose_id(given: str | None) -> str:
    """The sender's id where it is acceptable, else a new one."""
    return given if given is not None and ACCEPTED.fullmatch(given) else uuid.uuid4().hex


def arrival_of(request: HTTPConnection) -> Arrival:
    """What `Arrivals` noted."""
    arrival: Arrival = request.state.arrival
    return arrival
