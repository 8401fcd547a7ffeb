"""Who watches a run: a progress bar, TensorBoard, a log.

In: stages, steps and epochs, as `training.run` goes through them. Out: what each listener makes of it.
"""

from collections.abc import Sequence
from typing import Protocol

from training.fit import EpochRecord
from training.fit_fader import FaderEpoch

Epoch = EpochRecord | FaderEpoch
NO_FIGURES = frozenset({"epoch", "planned", "seconds"})  # where an epoch stands, not what it reached


class Listener(Protocol):
    """What it is told, in order."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self, done: int, text: str) -> None:
        """`done` of the stage's steps are done."""

    def epoch(self, record: Epoch) -> None:
        """An epoch of the stage has ended; more may have gone before, where a run goes on."""


class Together:
    """Passes everything on to several."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def stage(self, name: str, total: int) -> None:
        """A stage begins."""
        for listener in self._listeners:
            listener.stage(name, total)

    def step(self, done: int, text: str) -> None:
        """Steps are done."""
        for listener in self._listeners:
            listener.step(done, text)

    def epoch(self, record: Epoch) -> None:
        """An epoch has ended."""
        for listener in self._listeners:
            listener.epoch(record)


def figures_of(record: Epoch) -> dict[str, float]:
    """Losses, rates and the like of one epoch, by name."""
    return {name: float(value) for name, value in vars(record).items() if name not in NO_FIGURES}
