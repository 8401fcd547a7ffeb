"""A finished run → a version in the model store.

In: the fitted detector, its calibration, metrics and record; golden samples. Out: `VersionRef`, with the backbone's
graph where golden pictures score on it as they should. Refuses: a backbone that the engine `folded` computes otherwise
(`EngineDiffers`).
Golden pictures are the files' own bytes and travel the service's own path: decode, resize, one at a time, its engine.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from detector.build import detector_weights
from detector.calibration import Calibration
from detector.decode import decode
from detector.engine import as_served
from detector.errors import GraphRefused
from detector.image_health import HealthReference
from detector.pipeline import Detector, stack
from detector.preprocess import resize_to_input
from model_store.artifact import Draft
from model_store.errors import GraphUnusable
from model_store.manifest import TrainingRecord
from model_store.registry import Registry, VersionRef
from training.data import LIMITS, Sample
from training.errors import EngineDiffers
from training.export_graph import export_graph, on_graph

log = logging.getLogger(__name__)

ENGINE_TOLERANCE = 0.01
"""Of the larger of 1 and the score. Rounding came to 3e-6 on real products, to 1.3e-4 on a hardly trained one."""

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
        check_engine(scores[name], _score(detector, picture.image))
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
        graph=graph_for(detector, pictures, scores),
    )
    return Registry(store).publish(draft, activate=activate)


def graph_for(detector: Detector, pictures: Mapping[str, bytes], scores: Mapping[str, float]) -> bytes | None:
    """The graph for the engine `onnx`, if there is one and it gives the golden scores."""
    graph = export_graph(detector)
    if graph is None:
        return None
    try:
        served = on_graph(detector, graph)
        furthest = max(abs(score_bytes(served, pictures[name]) - score) for name, score in scores.items())
    except (GraphRefused, GraphUnusable) as exc:
        log.warning("no graph for the engine onnx: %s", exc)
        return None
    if not furthest <= Draft.golden_tolerance:
        log.warning("no graph for the engine onnx: golden pictures score otherwise on it, by %.1e", furthest)
        return None
    return graph


def score_bytes(detector: Detector, data: bytes) -> float:
    """Of a picture, as a camera would post it."""
    return _score(detector, decode(data, detector.spec.input, LIMITS).image)


def check_engine(served: float, reference: float) -> None:
    """`EngineDiffers` where the service's engine scores a picture otherwise than the layers as they were trained.

    Golden scores are the service's, so nothing after this would notice.
    """
    if abs(served - reference) > ENGINE_TOLERANCE * max(1.0, abs(reference)):
        raise EngineDiffers(
            f"the service's engine scores a golden picture {served:.6g}, the trained layers score it {reference:.6g}: "
            f"this backbone is not computed in the order in which its layers are declared; choose another"
        )


def _score(detector: Detector, image: Image.Image) -> float:
    device: torch.device = next(detector.parameters()).device
    return float(detector(stack([resize_to_input(image, detector.spec.input)], device)).score)
