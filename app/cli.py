"""`python -m app` serves the model store until SIGTERM or Ctrl-C; `key NAME` makes an API key, `migrate` the ledger."""

import logging
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy import Engine

from app.delivery.errors import BadTargets
from app.keys import SCOPES, BadKeyFile, add_key
from app.ledger.database import ledger_url, open_engine
from app.ledger.errors import LedgerError
from app.ledger.migrate import ensure_schema, migrate
from app.logs import LoggingLoader, configure
from app.main import create_app
from app.server import RefusedStart, check_binding, serve
from app.settings import Settings
from app.spans import OtelMissing
from app.worker import Loader, load_detector

BAD_SETTING = 2
cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Serve. How is said by INSPECT_* in the environment: README.md. 2 and one line where a setting is wrong."""
    if context.invoked_subcommand is not None:
        return
    start(read_settings())


def start(settings: Settings, loader: Loader | None = None) -> None:
    """Serve until a signal; 2 and one line where it cannot be like this, a ledger that is not ours among it."""
    configure(settings.log_level, settings.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each look at the schema
    try:
        check_binding(settings)
        app = _create_app(settings, loader or partial(load_detector, engine=settings.engine))
        _check_ledger(settings)
        serve(app, settings)
    except (RefusedStart, LedgerError) as error:
        _stop(str(error))


@cli.command()
def key(
    name: Annotated[str, typer.Argument(help="Who will use it; stands in the log. A-Z a-z 0-9 . _ -")],
    scopes: Annotated[str, typer.Option(help=f"Some of {','.join(SCOPES)}; admin stands for all.")] = "inspect",
    limit: Annotated[str | None, typer.Option(help="How often it may ask: 20/second, 600/minute.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="How long it is good; for ever if not given.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The key file, where it is not INSPECT_KEYS_FILE.")] = None,
) -> None:
    """Make a key, show it this once, and append its hash to the key file. A running service takes it within seconds."""
    path = file or read_settings().keys_file
    if path is None:
        _stop("which file? set INSPECT_KEYS_FILE or give --file")
    expires = None if days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    try:
        made = add_key(path, name, [scope.strip() for scope in scopes.split(",")], limit, expires)
    except (BadKeyFile, OSError) as error:
        _stop(f"{path}: {error}")
    typer.echo(f"{path} has its hash; the key itself is shown only here:", err=True)
    typer.echo(made)


@cli.command(name="migrate")
def bring_forward() -> None:
    """Bring the ledger to the schema of this program, or make it in an empty database. Back it up before."""
    try:
        typer.echo(f"the ledger has schema {migrate(_open_ledger(read_settings()))}", err=True)
    except LedgerError as error:
        _stop(str(error))


def read_settings() -> Settings:
    """From the environment; 2 and a line for each that is wrong."""
    try:
        return Settings()
    except ValidationError as exc:
        _stop(*(f"INSPECT_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}" for error in exc.errors()))


def _check_ledger(settings: Settings) -> None:
    engine = _open_ledger(settings)
    ensure_schema(engine)
    engine.dispose()


def _open_ledger(settings: Settings) -> Engine:
    return open_engine(ledger_url(settings.data, settings.ledger_url))


def _create_app(settings: Settings, loader: Loader) -> FastAPI:
    try:
        return create_app(settings, LoggingLoader(loader, settings.log_level, settings.log_format))
    except (OtelMissing, BadTargets) as error:
        raise RefusedStart(str(error)) from error
    except (BadKeyFile, OSError) as error:
        raise RefusedStart(f"INSPECT_KEYS_FILE: {error}; `python -m app key` makes one") from error


def _stop(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(line, err=True)
    sys.exit(BAD_SETTING)
