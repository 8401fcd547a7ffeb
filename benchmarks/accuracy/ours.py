"""Our own methods by preset, through the stages of `training.run`, as published and loaded again.

In: a `TrainConfig` and mobilenetv2_100's weights, or none. Out: `Fitted`. What is measured is the version in the
store, loaded as the service loads it. Refuses: what training, detector and model_store draw.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from scoring import Fitted, Map, Predict

from detector.pipeline import Detector, stack
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry
from training import run as stages
from training.calibrate import pick_device
from training.config import TrainConfig
from training.progress import Bars

BACKBONE = "mobilenetv2_100"
HALF = (0.5, 0.5, 0.5)  # mean and deviation that bring [0, 1] to [-1, 1]
CHANGES_NOTHING = {"product", "data", "store", "runs", "seed"}  # stand elsewhere in a row, or are only places
WEIGHT_FREE = "ours-weight-free"
# preset, and what is set over it before --set
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ours": ("cpu", ()),
    WEIGHT_FREE: ("cpu", ()),  # a store without a backbone, as on a fresh machine
    # the papers' attention needs DINO ViT-S/8, which cannot be had here: the same backbone's deepest map in its place
    "ear": ("ear", ("saliency.kind=activation",)),
    "ear-fader": ("ear-fader", ("saliency.kind=activation",)),
    "riad": ("riad", ()),
    "unet": ("unet", ()),
}


def fit(config: TrainConfig, weights: Path | None) -> Fitted:
    """Fit, calibrate, evaluate, publish, load; without `weights` no backbone is in the store."""
    registry = Registry(config.store)
    backbones = BackboneStore(registry.backbones_root)
    if weights is not None:
        backbones.import_file(weights, name=BACKBONE, mean=HALF, std=HALF, pad_type="same")
    begun = time.perf_counter()
    run, _ = stages.begin_run(config, fresh=True)
    with Bars(Console(stderr=True)) as bars:
        detector = stages.fit(run, bars)
    minutes = (time.perf_counter() - begun) / 60
    calibration = stages.calibrate(run, detector, promise=config.promise, review_rate=config.review_rate)
    evaluation = stages.evaluate(run, detector, calibration)
    ref = stages.publish(run, detector, calibration, evaluation, activate=True)
    published = load_artifact(ref.path, backbones, pick_device(config.device)).detector
    return Fitted(
        predict=predictor(published),
        minutes=minutes,
        artifact_bytes=sum(file.stat().st_size for file in ref.path.rglob("*") if file.is_file()),
        backbone=None if published.spec.backbone is None or weights is None else f"{BACKBONE} {weights.stem}",
        settings=settings_of(config),
        fitted_on=len(run.dataset.train) + len(run.dataset.hold_out),
    )


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """What the weights depend on."""
    return config.model_dump(mode="json", exclude=CHANGES_NOTHING)


def predictor(detector: Detector) -> Predict:
    """The service's own score and map."""
    device = next(detector.parameters()).device

    @torch.inference_mode()
    def predict(pixels: np.ndarray) -> tuple[float, Map]:
        seen = detector(stack([pixels], device))
        return float(seen.score.double()), seen.heatmap[0].cpu().numpy()

    return predict
