"""`python -m app` serves the model store until SIGTERM or Ctrl-C; `python -m app migrate` prepares the ledger."""

import argparse
import asyncio
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app.delivery.errors import BadTargets
from app.ledger.database import ledger_url, open_engine
from app.ledger.errors import LedgerError
from app.ledger.migrate import ensure_schema, migrate
from app.main import create_app
from app.settings import Settings

FORCED_EXIT = 1
SWITCH_S = 0.001  # Python's 5 ms let a busy event loop hold up each answer of the database to the ledger's thread


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


def main(create: Callable[[Settings], FastAPI] = create_app) -> None:
    """Read the settings, serve, end with 0; settings, ledger or targets that are wrong: 2 and one line."""
    parser = argparse.ArgumentParser(prog="python -m app", description="The inspection service; INSPECT_* set it up.")
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    command = parser.parse_args().command
    try:
        settings = Settings()
        engine = open_engine(ledger_url(settings.data, settings.ledger_url))
        if command == "migrate":
            _say(f"the ledger has schema {migrate(engine)}")
            return
        ensure_schema(engine)
        engine.dispose()
        app = create(settings)
    except ValidationError as exc:
        for error in exc.errors():
            _say(f"INSPECT_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}")
        sys.exit(2)
    except (LedgerError, BadTargets) as exc:
        _say(str(exc))
        sys.exit(2)
    _serve(settings, app)


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _serve(settings: Settings, app: FastAPI) -> None:
    sys.setswitchinterval(SWITCH_S)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a graceful stop ends with 0, whoever asked for it
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each look at the schema
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once everything is answered
        Server(config, app.state.run.stopping, settings.drain_grace_s).run()


if __name__ == "__main__":
    main()
