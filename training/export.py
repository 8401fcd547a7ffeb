"""A finished run → a version in the model store.

In: the fitted detector, its calibration, metrics and record; golden samples. Out: `VersionRef`.
Golden pictures are the files' own bytes and travel the service's own path: decode, resize, one at a time, its engine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from detector.build import detector_weights
from detector.calibration import Calibration
from detector.decode import decode
from detector.engine import as_served
from detector.image_health import HealthReference
from detector.pipeline import Detector, stack
from detector.preprocess import resize_to_input
from model_store.artifact import Draft
from model_store.manifest import TrainingRecord
from model_store.registry import Registry, VersionRef
from training.data import LIMITS, Sample

SUFFIX = {"jpeg": "jpg", "png": "png", "bmp": "bmp", "tiff": "tif", "webp": "webp"}


def choose_golden(samples: Sequence[Sample], scores: Sequence[float], count: int) -> list[Path]:
    """`count` calibration pictures, evenly spread over their scores, the lowest and the highest included."""
    order = np.argsort(scores, kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    return [samples[order[rank]].path for rank in ranks]


def export(  # noqa: PLR0913 -- a version is made of these
    store: Path,
    product: str,
    detector: Detector,
    *,
    calibration: Calibration,
    record: TrainingRecord,
    metrics: Mapping[str, float],
    golden: Sequence[Path],
    image_health: HealthReference,
    activate: bool,
) -> VersionRef:
    """Publish a new version, and make it the one that serves if `activate`."""
    pictures, scores, served = {}, {}, as_served(detector)
    for number, path in enumerate(golden, start=1):
        data = path.read_bytes()
        picture = decode(data, detector.spec.input, LIMITS)
        name = f"golden/{number:04d}.{SUFFIX[picture.format]}"
        pictures[name], scores[name] = data, _score(served, picture.image)
    draft = Draft(
        product=product,
        detector=detector.spec,
        weights=detector_weights(detector),
        calibration=calibration,
        training=record,
        metrics=metrics,
        golden=pictures,
        golden_scores=scores,
        image_health=image_health,
    )
    return Registry(store).publish(draft, activate=activate)


def _score(detector: Detector, image: Image.Image) -> float:
    device: torch.device = next(detector.parameters()).device
    return float(detector(stack([resize_to_input(image, detector.spec.input)], device)).score)
