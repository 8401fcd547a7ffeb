"""A run on the terminal: one live bar per stage, with the time left and the latest figures.

In: what a `training.listener.Listener` is told. Out: bars on a rich console.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from training.fit import EpochRecord
from training.listener import Epoch, figures_of

SPEED_PERIOD_S = 24 * 3600  # the time left comes from all epochs: rich's 30 s can be less than two of them


class Bars:
    """A `training.listener.Listener` that draws; a context manager."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:22}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=console,
            speed_estimate_period=SPEED_PERIOD_S,
            expand=True,  # a narrow terminal cuts the figures and not the time left
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str, total: int) -> None:
        """Start the next bar."""
        self._task = self._progress.add_task(name, total=total, text="")

    def step(self, done: int, text: str) -> None:
        """Move it to `done`."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, text=text)

    def epoch(self, record: Epoch) -> None:
        """Move it to the end of this epoch, out of as many as are planned now, and show its figures."""
        if self._task is not None:
            text = " ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in figures_of(record).items())
            total = record.planned if isinstance(record, EpochRecord) else None  # None: as many as before
            self._progress.update(self._task, completed=record.epoch + 1, total=total, text=text)
