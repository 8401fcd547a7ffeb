"""What the lanes of one pool are to each other: who has which model, and may therefore do without it.

In: the lanes, what is pinned, what waits. Out: answers, to any thread. Refuses nothing, changes nothing.
A pinned model is in the memory of two workers where there are two and there is room: so there is always one to score
its parts while the other loads something or is started again.
"""

from collections.abc import Sequence
from functools import partial

from app.backlog import Backlog
from app.lane import Lane
from app.residency import Pins, Residency, Why
from app.work import ModelRef

ENOUGH = 2  # workers that have a model before somebody asks for it


class Crew:
    """The lanes; they are told when there are all of them."""

    def __init__(self, backlog: Backlog, pins: Pins, resident_bytes: int) -> None:
        self.lanes: Sequence[Lane] = ()
        self._backlog = backlog
        self._pins = pins
        self._resident_bytes = resident_bytes

    def memory(self, lane: Lane) -> Residency:
        """Of a new process of this lane."""
        return Residency(self._resident_bytes, partial(self._why_needed, lane))

    def is_elsewhere(self, lane: Lane, model: ModelRef) -> bool:
        """Whether another lane has this model, or loads it."""
        return any(other is not lane and other.residency.knows(model.digest) for other in self.lanes)

    def is_for_another(self, lane: Lane, model: ModelRef) -> bool:
        """Whether this lane has no room for a model, whatever may go, and another one that is up has."""
        if lane.residency.can_hold(model):
            return False
        return any(other.is_up and other.residency.can_hold(model) for other in self.lanes if other is not lane)

    def copy_for(self, lane: Lane) -> ModelRef | None:
        """While nothing waits: a pinned model that fewer than `ENOUGH` have, and that this lane has room for."""
        if len(self._backlog):
            return None
        others = (model for other in self.lanes if other is not lane for model in other.loaded.values())
        wanted = (
            model
            for model in others
            if model.digest in self._pins
            and not lane.knows(model.digest)
            and lane.residency.has_room(model)
            and sum(each.residency.knows(model.digest) for each in self.lanes) < ENOUGH
        )
        return next(wanted, None)

    def _why_needed(self, lane: Lane, digest: str) -> Why | None:
        """A copy may go: of the lanes that have a pinned model the first one keeps it."""
        if self._backlog.needs(digest) or any(digest in each.running for each in self.lanes):
            return "leased"
        keeper = next((each for each in self.lanes if digest in each.residency), lane)
        return "pinned" if digest in self._pins and keeper is lane else None
