"""A fitted method on picture files, one by one: scores, maps, milliseconds.

In: what `ours.fit` or `peers.fit` made, and files. Out: `Scored`. The clock covers what a service would do for each
picture: read, decode, resize, score. Refuses nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.spec import InputSpec
from training.data import Sample, load_picture

Map = npt.NDArray[np.float32]
Predict = Callable[[npt.NDArray[np.uint8]], tuple[float, Map]]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A method that has seen its good pictures, and what that cost."""

    predict: Predict
    """(H,W,3) uint8 → score and map (H,W); higher is more anomalous."""
    minutes: float
    """Wall clock from the first file read to the last weight; no thresholds, no test picture."""
    artifact_bytes: int
    """What one product adds to the disk; a backbone that all products share is not in it."""
    backbone: str | None
    settings: dict[str, Any]
    fitted_on: int
    """Good pictures that it learned from; the calibration pictures are never among them."""


@dataclass(frozen=True)
class Scored:
    """In the order of the files."""

    scores: npt.NDArray[np.float64]
    """(N,)."""
    maps: Map
    """(N,H,W)."""
    milliseconds: npt.NDArray[np.float64]
    """(N,)."""


def score_files(predict: Predict, samples: Sequence[Sample], spec: InputSpec) -> Scored:
    """Every file through `predict`, alone."""
    scores, milliseconds = np.empty(len(samples)), np.empty(len(samples))
    maps = np.empty((len(samples), spec.height, spec.width), np.float32)
    for row, sample in enumerate(samples):
        begun = time.perf_counter()
        scores[row], maps[row] = predict(load_picture(sample.path, spec))
        milliseconds[row] = 1000 * (time.perf_counter() - begun)
    return Scored(scores, maps, milliseconds)
