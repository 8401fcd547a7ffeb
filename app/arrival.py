"""A request's head → who it is and when it came; the id goes back with every answer.

In: `X-Request-Id`, if its sender gave one that can stand in a header, a log line and JSON as it is; another is replaced
and never repeated. Out: `request.state.arrival`, and the header on the answer. Refuses nothing.
Pure ASGI: Starlette's BaseHTTPMiddleware would run every request in a task and its answer through a stream.
"""

import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Arrivals:
    """Middleware that notes the arrival of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; what is not HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrival = Arrival(choose_id(Headers(scope=scope).get(REQUEST_ID)), datetime.now(UTC), time.monotonic())
        scope.setdefault("state", {})["arrival"] = arrival

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = arrival.request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def choose_id(given: str | None) -> str:
    """The sender's id where it is acceptable, else a new one."""
    return given if given is not None and ACCEPTED.fullmatch(given) else uuid.uuid4().hex


def arrival_of(request: HTTPConnection) -> Arrival:
    """What `Arrivals` noted."""
    arrival: Arrival = request.state.arrival
    return arrival
