"""`python -m app`: serve the model store until SIGTERM or Ctrl-C."""

import asyncio
import math
import os
import signal
import sys
import time
from contextlib import suppress

import uvicorn
from pydantic import ValidationError

from app.logs import LoggingLoader, configure
from app.main import create_app
from app.settings import Settings
from app.spans import OtelMissing
from app.worker import load_detector

FORCED_EXIT = 1


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


def main() -> None:
    """Read the settings, serve, end with 0; a malformed setting ends with 2 and one line."""
    try:
        settings = Settings()
    except ValidationError as exc:
        for error in exc.errors():
            print(f"INSPECT_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a graceful stop ends with 0, whoever asked for it
    configure(settings.log_level, settings.log_format)
    try:
        app = create_app(settings, LoggingLoader(load_detector, settings.log_level, settings.log_format))
    except OtelMissing as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        log_config=None,  # its loggers speak as ours do
        access_log=False,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once everything is answered
        Server(config, app.state.run.stopping, settings.drain_grace_s).run()


if __name__ == "__main__":
    main()
