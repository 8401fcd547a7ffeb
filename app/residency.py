"""Which models stay in one worker's memory. Pure policy: no torch, no clock, no lock.

In: the bytes of each model, before it is loaded. Out: which models must go so that it fits, the least recently used
first. Refuses: a model that fits into no empty worker (`NeverFits`).
Bytes are those of the weights; what a batch needs beside them is not counted, so leave the device room for it. A
backbone counts with every model that uses it, for each holds a copy of its own. A worker does one thing at a time:
the model that is in use is never the one that goes.
"""

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from model_store.manifest import WEIGHTS, Manifest


class NeverFits(Exception):
    """The model is larger than the limit, whatever else goes."""


class Residency:
    """Bytes reserved by digest, the least recently used first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: OrderedDict[str, int] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Reserved by all models."""
        return sum(self._sizes.values())

    @property
    def digests(self) -> tuple[str, ...]:
        """Models with a reservation, the least recently used first."""
        return tuple(self._sizes)

    def reserve(self, digest: str, size: int) -> tuple[str, ...]:
        """Bytes for a model that is used now; digests of those that must go first, none if it is there already."""
        if digest in self._sizes:
            self._sizes.move_to_end(digest)
            return ()
        if size > self._limit:
            raise NeverFits(f"the model needs {size} bytes; a worker keeps {self._limit} (INSPECT_RESIDENT_BYTES)")
        gone = []
        while self.bytes + size > self._limit:
            gone.append(self._sizes.popitem(last=False)[0])
        self._sizes[digest] = size
        return tuple(gone)

    def release(self, digest: str) -> None:
        """Give back what was reserved for a model that did not load."""
        self._sizes.pop(digest, None)


def weigh(version: Path, manifest: Manifest, backbones: Path) -> int:
    """Bytes of weights that a version loads; a file that is not there weighs nothing, for its load will say so."""
    backbone = manifest.detector.backbone
    files = [version / WEIGHTS] + ([] if backbone is None else [backbones / backbone.digest / WEIGHTS])
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total
