"""Log lines for people (console) or for machines (one JSON object a line), on standard error.

In: what any logger of this process says, and what is known of the request that it belongs to. Out: lines. Refuses
nothing. What senders wrote is escaped in both, so that a line stays a line.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.types import EventDict, Processor, WrappedLogger

from app.worker import Loader, Runner

LogFormat = Literal["console", "json"]
LEADING = ("timestamp", "level", "logger", "event")


def configure(level: str, log_format: LogFormat) -> None:
    """Send everything that is logged in this process through one formatter; call it once, or again."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_log_level,
        add_logger_name,
        ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after: list[Processor] = [
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        arrange,
    ]
    after.append(structlog.processors.JSONRenderer() if log_format == "json" else render_line)
    handler = logging.StreamHandler()
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=before, processors=after))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def arrange(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """When, how bad, who and what first; without uvicorn's second copy of its message, in colours."""
    event.pop("color_message", None)
    return {name: event.pop(name, "") for name in LEADING} | dict(event)


def render_line(_: WrappedLogger, __: str, event: EventDict) -> str:
    """`time LEVEL logger: message key='value' …`, a traceback below it."""
    trace = event.pop("exception", None)
    when, level, logger, message = (event.pop(name) for name in LEADING)
    known = "".join(f" {name}={value!a}" for name, value in event.items() if value is not None)
    return f"{when} {level.upper()} {logger}: {message}{known}" + (f"\n{trace}" if trace else "")


@dataclass(frozen=True)
class LoggingLoader:
    """A loader whose process, a worker's, logs as the service does."""

    loader: Loader
    level: str
    log_format: LogFormat

    def __call__(self, path: Path, device: str) -> Runner:
        """Load; nothing is logged there before."""
        configure(self.level, self.log_format)
        return self.loader(path, device)
