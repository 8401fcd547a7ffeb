"""What passes between the service and a worker; picklable, without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ModelRef:
    """One version of one product, to be scored with."""

    product: str
    version: int
    path: Path
    """The artifact's folder, `<store>/products/<product>/versions/<version>`."""
    digest: str
    """SHA-256 of its manifest.json."""
    bytes: int = 0
    """Of its weights and its backbone's: what a worker reserves before it loads them."""
    sight: str = ""
    """Digest of what it shares with other products, the frozen backbone above all; pictures of equal `sight` may be
    seen together. Empty: it shares nothing."""
    one_by_one: bool = False
    """Its pictures are large: a batch of them would take long and gain nothing."""

    def __str__(self) -> str:
        return f"{self.product}@{self.version}"


@dataclass(frozen=True)
class Scored:
    """What a worker gave for one picture."""

    score: float
    heatmap: npt.NDArray[np.float32]
    """(H,W) in units of the score."""
    queue_ms: float
    device_ms: float
    batch_size: int
    device: str = ""
    """Where the model really was."""
    precision: str = "float32"  # what app/worker.py scores in
