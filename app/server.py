"""uvicorn, started as a factory's network needs it: keys or loopback, TLS that renews itself, a stop in steps.

In: the app and its settings. Out: answers, until a signal. Refuses to start: open to a network without keys, with a
certificate that cannot be used (`RefusedStart`). What one connection may do is app/connection.py's.
"""

import asyncio
import gc
import logging
import math
import os
import signal
import ssl
import sys
import time
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from app.connection import ConnectionLimits, Protocol
from app.followed import Followed
from app.settings import Settings

log = logging.getLogger(__name__)

FORCED_EXIT = 1
SWITCH_S = 0.001  # Python's 5 ms let a busy event loop hold up each answer of the database to the ledger's thread


class RefusedStart(Exception):
    """The service does not start like this; one line for whoever starts it."""


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
        log_config=None,  # its loggers speak as ours do
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
    sys.setswitchinterval(SWITCH_S)
    server = make_server(app, settings)
    gc.collect()
    gc.freeze()  # what is imported and wired stays; to look through it again would hold up every answer for 0.2 s
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
