"""Which models are in one worker's memory, and which may have to leave it. Policy: no torch, no clock, no process.

In: a model, before it is loaded. Out: its bytes reserved, and the models that must go first, the least recently used
first. Refuses: a model that fits into no empty worker (`NeverFits`), one for which models would have to go that may
not (`NoRoom`, which names them). May not go: what is being loaded, what has work waiting or running (`leased`), what
serves or was prepared (`pinned`).
Bytes are those of the weights; what a batch needs beside them is not counted, so leave the device room for it. A
backbone counts with every model that uses it, for each holds a copy of its own.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.work import ModelRef
from model_store.manifest import WEIGHTS, Manifest

Why = Literal["leased", "pinned"]
State = Literal["loading", "loaded"] | Why


class NeverFits(Exception):
    """The model is larger than the limit, whatever else goes."""


class NoRoom(Exception):
    """The model would fit if others went that may not go."""


class Pins:
    """What must stay in memory, by the reason for it. Any thread may ask."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in tuple(self._digests.values())

    def hold(self, reason: str, digest: str) -> None:
        """From now on `reason` needs `digest`, and no longer what it needed before."""
        self._digests[reason] = digest

    def drop(self, reason: str, digest: str | None = None) -> None:
        """It needs nothing any more; only if that was `digest`, where one is given."""
        if digest in (None, self._digests.get(reason)):
            self._digests.pop(reason, None)


@dataclass(frozen=True)
class Resident:
    """A model with a reservation."""

    model: ModelRef
    is_ready: bool = False


class Residency:
    """The memory of one worker process; it is empty when that process begins."""

    def __init__(self, limit: int, why_needed: Callable[[str], Why | None]) -> None:
        self._limit = limit
        self._why_needed = why_needed
        self._held: OrderedDict[str, Resident] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, digest: object) -> bool:
        """Whether the model can score now. Takes no lock."""
        held = self._held.get(digest) if isinstance(digest, str) else None
        return held is not None and held.is_ready

    def knows(self, digest: str) -> bool:
        """Whether it is there, or being loaded."""
        return digest in self._held

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded. Takes no lock."""
        return any(not held.is_ready for held in tuple(self._held.values()))

    def has_room(self, model: ModelRef) -> bool:
        """Whether it fits beside all that is here."""
        return model.bytes <= self._limit - self.bytes

    def can_hold(self, model: ModelRef) -> bool:
        """Whether it fits beside what may not go."""
        staying = (held for held in tuple(self._held.values()) if self._state(held) != "loaded")
        return model.bytes <= self._limit - sum(held.model.bytes for held in staying)

    @property
    def bytes(self) -> int:
        """Reserved by all models."""
        return sum(held.model.bytes for held in tuple(self._held.values()))

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """Those that can score, the least recently used first."""
        return tuple(held.model for held in tuple(self._held.values()) if held.is_ready)

    @property
    def states(self) -> tuple[tuple[ModelRef, State], ...]:
        """Every model, and why it is there."""
        return tuple((held.model, self._state(held)) for held in tuple(self._held.values()))

    def reserve(self, model: ModelRef) -> tuple[str, ...]:
        """Bytes for a model that is about to be loaded; the digests that must go first, which are gone from here."""
        if model.bytes > self._limit:
            raise NeverFits(f"{model} needs {model.bytes} bytes; a worker keeps {self._limit} (INSPECT_RESIDENT_BYTES)")
        with self._lock:
            free = self._limit - self.bytes
            gone: list[Resident] = []
            for held in self._held.values():
                if free >= model.bytes:
                    break
                if self._state(held) == "loaded":
                    gone.append(held)
                    free += held.model.bytes
            if free < model.bytes:
                raise NoRoom(self._complaint(model, free))
            for held in gone:
                del self._held[held.model.digest]
            self._held[model.digest] = Resident(model)
            return tuple(held.model.digest for held in gone)

    def use(self, digest: str) -> bool:
        """Whether the model can score now; if so it is the one used last."""
        with self._lock:
            if digest not in self:
                return False
            self._held.move_to_end(digest)
            return True

    def finish(self, digest: str) -> None:
        """It has been loaded."""
        with self._lock:
            self._held[digest] = replace(self._held[digest], is_ready=True)

    def release(self, digest: str) -> None:
        """Give back what was reserved for a model that did not load."""
        with self._lock:
            self._held.pop(digest, None)

    def _state(self, held: Resident) -> State:
        return "loading" if not held.is_ready else self._why_needed(held.model.digest) or "loaded"

    def _complaint(self, model: ModelRef, free: int) -> str:
        others = [held for held in self._held.values() if self._state(held) != "loaded"]
        named = ", ".join(f"{held.model} ({held.model.bytes} bytes, {self._state(held)})" for held in others)
        return (
            f"{model} needs {model.bytes} bytes and {max(0, free)} can be had; one of these would have to go: {named}"
        )


def weigh(version: Path, manifest: Manifest, backbones: Path) -> int:
    """Bytes of weights that a version loads; a file that is not there weighs nothing, for its load will say so."""
    backbone = manifest.detector.backbone
    files = [version / WEIGHTS] + ([] if backbone is None else [backbones / backbone.digest / WEIGHTS])
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total
