"""Good pictures that took no part in training → thresholds that keep a promise.

In: a fitted detector and pictures (N,H,W,3) uint8. Out: scores, heatmaps, a `Calibration`; image health of the files.
Refuses: too few pictures for the promise (`PromiseTooSmall`), a device that is not there (`DeviceMissing`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from detector.calibration import Calibration, calibrate
from detector.decode import decode
from detector.engine import as_served
from detector.image_health import HealthReference, measure, summarise
from detector.pipeline import Detector, stack
from detector.spec import InputSpec
from training.batches import batch_size
from training.data import IN_MEMORY, LIMITS, Sample, load_pictures
from training.errors import DeviceMissing

MAP_PIXELS = 1 << 20  # of a kept map: those of larger pictures are averaged over cells of whole pixels, as it takes


@dataclass(frozen=True)
class Scores:
    """What a detector gave to pictures, in their order."""

    scores: npt.NDArray[np.float64]
    """(N,)."""
    heatmaps: npt.NDArray[np.float32]
    """(N,H,W); of pictures of more than `MAP_PIXELS` the means over k x k px, (N,⌈H/k⌉,⌈W/k⌉)."""


def score_samples(detector: Detector, samples: Sequence[Sample]) -> Scores:
    """Read and score files, no more of them in memory at a time than `IN_MEMORY` bytes decoded."""
    size = detector.spec.input
    step = max(1, IN_MEMORY // (3 * size.height * size.width))
    chunks = [samples[start : start + step] for start in range(0, len(samples), step)] or [samples]
    parts = [score_pictures(detector, load_pictures(chunk, size)) for chunk in chunks]
    return Scores(*(np.concatenate(each) for each in zip(*((p.scores, p.heatmaps) for p in parts), strict=True)))


def score_pictures(detector: Detector, pictures: npt.NDArray[np.uint8]) -> Scores:
    """Score (N,H,W,3) uint8 with `Detector.forward` on the service's engine: its own path."""
    served = as_served(detector)
    height, width = pictures.shape[1:3]
    device, cell = next(detector.parameters()).device, math.ceil(math.sqrt(height * width / MAP_PIXELS))
    scores = np.empty(len(pictures))
    heatmaps = np.empty((len(pictures), -(-height // cell), -(-width // cell)), np.float32)
    # on a CPU one by one, as the worker does: convolutions round differently for other batch sizes, by up to 2e-5
    step = 1 if device.type == "cpu" else batch_size(pictures)
    for start in range(0, len(pictures), step):
        rows = slice(start, start + step)
        anomaly = served(stack(list(pictures[rows]), device))
        scores[rows] = anomaly.score.double().cpu().numpy()
        heatmaps[rows] = _kept(anomaly.heatmap, cell).cpu().numpy()
    return Scores(scores, heatmaps)


def _kept(maps: Tensor, cell: int) -> Tensor:
    """(B,H,W) → (B,⌈H/k⌉,⌈W/k⌉)."""
    return maps if cell == 1 else F.avg_pool2d(maps, cell, ceil_mode=True)


def calibrate_scores(scored: Scores, *, promise: float, review_rate: float) -> Calibration:
    """Thresholds from the scores of good pictures; the map's floor is the median of their heatmaps."""
    floor = float(np.median(scored.heatmaps)) if scored.heatmaps.size else 0.0
    return calibrate(scored.scores.tolist(), promise=promise, review_rate=review_rate, map_floor=floor)


def measure_health(samples: Sequence[Sample], spec: InputSpec) -> HealthReference:
    """Health of the pictures before they are resized, as the service measures it on each part."""
    return summarise([measure(decode(sample.path.read_bytes(), spec, LIMITS).image) for sample in samples])


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one; `DeviceMissing` for a device that this machine or this torch has not."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:  # AssertionError: a torch that was built without CUDA
        why = str(exc).splitlines()[0]
        raise DeviceMissing(f"device {name!r} cannot be used ({why}); leave device=auto, or give cpu") from exc
    return device
