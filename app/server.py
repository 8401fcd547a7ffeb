"""uvicorn, with what a server on a factory's network needs beside it.

In: the app and its settings. Out: answers, until a signal. Refuses: a connection whose request's head takes too long or
is too large; connections beyond the limit (503 to all but the probes); to start open to a network without keys.
uvicorn's httptools protocol has no limit of its own for the time or the size of a head, nor for bytes after an answer.
"""

import asyncio
import logging
import math
import os
import signal
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.arrival import Arrival, Arrivals, choose_id
from app.errors import HeadTooLarge, MalformedRequest, RequestError, TooManyConnections, refuse
from app.followed import Followed
from app.metrics import Metrics
from app.settings import Settings

log = logging.getLogger(__name__)

FORCED_EXIT = 1
HEAD_BYTES = 64 << 10  # request line and headers, of which uvicorn would take any number
LINGER_S = 2.0  # for a sender that has its answer and goes on sending, before its connection is closed
PROBES = ("/livez", "/readyz")
PROBE_ROOM = 64  # connections beyond the limit that are let in for the probes; those after them are closed


class RefusedStart(Exception):
    """The service does not start like this; one line for whoever starts it."""


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """The head's time begins; where there are too many, the probes alone are served."""
        super().connection_made(transport)
        many = len(self.connections) - self._limits.connections
        if many > PROBE_ROOM:
            transport.close()
        elif many > 0:
            self.app = partial(_serve_probes, self.app, Arrivals(partial(_refuse, self._limits)))
        self._close_in(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._stop_timer()
        super().connection_lost(exc)

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
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Stops in steps: readiness is false at once, listening ends after the grace, what is in flight is answered."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, grace_s: float) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._grace_s = grace_s
        self._stops_at = math.inf

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002 -- what signal.signal calls
        """The first signal begins the stop, the second ends the process; its workers end with their pipes."""
        if self._stopping.is_set():
            os._exit(FORCED_EXIT)  # no clean-up: whoever asks twice wants no more waiting; verdicts are committed
        self._stopping.set()
        self._captured_signals.append(sig)
        self._stops_at = time.monotonic() + self._grace_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether the grace is over."""
        self.should_exit = self.should_exit or time.monotonic() >= self._stops_at
        return await super().on_tick(counter)


def check_binding(settings: Settings) -> None:
    """Refuse to be open to a network by accident; say what travels in the clear."""
    if is_loopback(settings.host):
        return
    if settings.keys_file is None and not settings.allow_open:
        raise RefusedStart(
            f"INSPECT_HOST={settings.host} is open to the network and there are no keys: set INSPECT_KEYS_FILE, "
            "or INSPECT_ALLOW_OPEN=true to let everybody do everything"
        )
    if settings.keys_file is None:
        log.warning("INSPECT_ALLOW_OPEN: whoever reaches %s:%d may do everything", settings.host, settings.port)
    elif settings.tls_cert is None:
        log.warning(
            "keys and pictures travel in the clear: set INSPECT_TLS_CERT, or put a TLS proxy before the service"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_server(app: FastAPI, settings: Settings) -> Server:
    """The server of an app, its certificate loaded; `RefusedStart` where that cannot be."""
    if settings.tls_cert is None and (settings.tls_key or settings.tls_client_ca):
        raise RefusedStart("INSPECT_TLS_KEY and INSPECT_TLS_CLIENT_CA mean nothing without INSPECT_TLS_CERT")
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
        ws="none",
        server_header=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=settings.tls_client_ca,
        ssl_cert_reqs=_client_certificates(settings),
    )
    limits = ConnectionLimits(
        connections=settings.connection_limit, head_s=settings.head_timeout_s, metrics=app.state.metrics
    )
    try:
        config.load()
        if config.ssl is not None and settings.tls_cert is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
            app.state.followed.append(_follow_certificate(config.ssl, settings.tls_cert, settings))
    except (OSError, ValueError) as exc:
        raise RefusedStart(f"INSPECT_TLS_CERT, INSPECT_TLS_KEY, INSPECT_TLS_CLIENT_CA: {exc}") from exc
    config.http_protocol_class = partial(Protocol, limits=limits)  # type: ignore[assignment]  # only ever called
    return Server(config, app.state.run.stopping, settings.drain_grace_s)


def serve(app: FastAPI, settings: Settings) -> None:
    """Until SIGTERM or Ctrl-C."""
    server = make_server(app, settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a graceful stop ends with 0, whoever asked for it
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once everything is answered
        server.run()


def _client_certificates(settings: Settings) -> ssl.VerifyMode:
    if settings.tls_client_ca is None:
        return ssl.CERT_NONE
    return ssl.CERT_REQUIRED if settings.tls_client_cert == "required" else ssl.CERT_OPTIONAL


def _follow_certificate(live: ssl.SSLContext, cert: Path, settings: Settings) -> Followed:
    """A renewed certificate counts from the next connection on; one that does not fit its key never gets that far."""
    key, authority = settings.tls_key, settings.tls_client_ca

    def read() -> None:
        tried = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for context in (tried, live):
            context.load_cert_chain(cert, key)
            if authority is not None:
                context.load_verify_locations(authority)  # adds: to trust an authority no more takes a restart

    return Followed("certificate", [path for path in (cert, key, authority) if path is not None], read)


async def _serve_probes(app: ASGIApp, too_many: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A busy service is no dead one."""
    await (app if scope["path"] in PROBES else too_many)(scope, receive, send)


async def _refuse(limits: ConnectionLimits, scope: Scope, receive: Receive, send: Send) -> None:
    error = TooManyConnections(f"{limits.connections} connections are open already")
    response = refuse(Request(scope), error, limits.metrics)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
