"""`python -m app`: serve the model store until SIGTERM or Ctrl-C."""

import logging
import signal
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app.main import create_app
from app.settings import Settings


class Server(uvicorn.Server):
    """Readiness goes false the moment a signal comes; what is in flight is still answered."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: object) -> None:
        """Uvicorn's own handler, after the readiness."""
        self._app.state.stopping.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def main() -> None:
    """Read the settings, serve, end with 0; a malformed setting ends with 2 and one line."""
    try:
        settings = Settings()
    except ValidationError as exc:
        for error in exc.errors():
            print(f"INSPECT_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a graceful stop ends with 0, whoever asked for it
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once everything is answered
        Server(config, app).run()


if __name__ == "__main__":
    main()
