"""A version that serves, without a store: what the service knows of it."""

from collections.abc import Sequence
from pathlib import Path

from app.catalog import Served
from app.work import ModelRef
from detector.calibration import calibrate
from detector.image_health import HealthReference
from model_store.manifest import Manifest, TrainingRecord
from tests.model_store.drafts import SPEC

TRAINING = TrainingRecord(
    config={}, seed=0, data_digest="0" * 64, images={}, minutes=0, device="cpu", saliency="spectral", backbone=None
)


def served(
    scores: Sequence[float], version: int = 1, health: HealthReference | None = None, promise: float = 0.4
) -> Served:
    """`plate`, calibrated on `scores`."""
    calibration = calibrate(scores, promise=promise, review_rate=0.0, map_floor=min(scores) - 1)
    manifest = Manifest.model_validate(
        {
            "format_version": 1,
            "product": "plate",
            "version": version,
            "created_at": "2026-11-24T00:00:00Z",
            "detector": SPEC,
            "calibration": calibration,
            "training": TRAINING,
            "metrics": {},
            "libraries": {},
            "golden": ({"file": "golden/0001.png", "score": 0.0},),
            "golden_tolerance": 1e-4,
            "files": {},
            "image_health": health,
        },
        strict=False,
    )
    return Served(ModelRef("plate", version, Path("plate"), f"{version}" * 64), manifest)
