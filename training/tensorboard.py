"""Figures of every epoch as TensorBoard event files, for `tensorboard --logdir DIR`.

In: a folder, epochs as they end. Out: event files under `DIR/<product>`. Refuses: a machine without tensorboardX
(`TensorBoardMissing`), which writes the files without TensorFlow and without TensorBoard's own server.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from training.errors import TensorBoardMissing
from training.listener import Epoch, figures_of


class TensorBoard:
    """A `training.listener.Listener` that writes; a context manager. A run that goes on goes on in the same folder."""

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboardX import SummaryWriter  # noqa: PLC0415 -- only --tensorboard needs it
        except ImportError as exc:
            raise TensorBoardMissing("--tensorboard needs tensorboardX: pip install 'inspect-line[train]'") from exc
        self._writer = SummaryWriter(str(folder))
        self._stage = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def stage(self, name: str, total: int) -> None:  # noqa: ARG002 -- what a listener is told
        """The figures that follow are of this stage."""
        self._stage = name

    def step(self, done: int, text: str) -> None:
        """Words are not drawn."""

    def epoch(self, record: Epoch) -> None:
        """One point in each curve."""
        for name, value in figures_of(record).items():
            self._writer.add_scalar(f"{self._stage}/{name}", value, record.epoch + 1)
        self._writer.flush()
