"""One HTTP connection: uvicorn's httptools protocol, with the limits that it does not have.

In: bytes of a client. Out: requests for the app. Refuses: a head that takes too long or is too large, a client that
does not read its answer or goes on sending after it, connections beyond the limit (503 to all but the probes).
What is no HTTP is answered as every other refusal.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.arrival import Arrival, Arrivals, choose_id
from app.errors import HeadTooLarge, MalformedRequest, RequestError, TooManyConnections, refuse
from app.metrics import Metrics
from app.spans import NoSpans

HEAD_BYTES = 64 << 10  # request line and headers, of which uvicorn would take any number
LINGER_S = 2.0  # for a sender that has its answer and goes on sending, before its connection is closed
UNREAD_S = 20.0  # for a client that leaves its answer lying, before its connection is cut
PROBE_ROOM = 64  # connections beyond the limit that are let in for the probes; those after them are closed
PROBES = ("/livez", "/readyz", "/metrics", "/status")  # what is asked most when there are too many


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """How many connections are served, and how long the head of a request may take."""

    connections: int
    head_s: float
    metrics: Metrics


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, limits: ConnectionLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """The head's time begins; where there are too many, the probes alone are served."""
        super().connection_made(transport)
        many = len(self.connections) - self._limits.connections
        if many > PROBE_ROOM:
            transport.close()
        elif many > 0:
            self.app = partial(_serve_probes, self.app, Arrivals(partial(_refuse, self._limits), NoSpans()))
        self._close_in(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The answer does not get away: its reader has some time left."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a while after an answer."""
        self._hang_up()

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head has ended; httptools itself would gather it without end."""
        is_new = self.cycle is None or self.cycle.response_complete
        if is_new and self._timer is None and not self._is_answered_early():
            self._close_in(self._limits.head_s)
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._head_bytes = 0
        elif is_new:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self._is_answered_early():
                self._end_with(HeadTooLarge(f"the head has more than {HEAD_BYTES} bytes"))

    def on_headers_complete(self) -> None:
        """The head is here: its time ends, that of the body is app/upload.py's."""
        self._stop_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A sender that is still sending gets a moment to read its answer."""
        super().on_response_complete()
        if self._is_answered_early():
            self._close_in(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """As every other refusal, and not as uvicorn's plain text."""
        self._end_with(MalformedRequest(msg))

    def _end_with(self, error: RequestError) -> None:
        """Answer a head that never became a request, and close."""
        arrival = Arrival(choose_id(None), datetime.now(UTC), time.monotonic())
        scope = {"type": "http", "method": "-", "path": "-", "headers": [], "state": {"arrival": arrival}}
        response = refuse(Request(scope), error, self._limits.metrics)
        response.headers["Connection"] = "close"
        line = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}\r\n".encode()
        headers = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        self.transport.write(line + headers + b"\r\n" + bytes(response.body))
        self.transport.close()

    def _is_answered_early(self) -> bool:
        """Whether a body that was answered before its end is still coming."""
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body

    def _close_in(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        """Close; what is still unread some seconds later is not worth a connection."""
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _serve_probes(app: ASGIApp, too_many: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A busy service is no dead one."""
    await (app if scope["path"] in PROBES else too_many)(scope, receive, send)


async def _refuse(limits: ConnectionLimits, scope: Scope, receive: Receive, send: Send) -> None:
    error = TooManyConnections(f"{limits.connections} connections are open already")
    response = refuse(Request(scope), error, limits.metrics)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
