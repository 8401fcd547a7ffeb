"""The smallest real version of a product."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from detector.build import build_detector, detector_weights
from detector.calibration import calibrate
from detector.decode import decode
from detector.pipeline import Detector, stack
from detector.preprocess import resize_to_input
from detector.spec import DetectorSpec, FaderSpec, InputSpec, UNetSpec
from model_store.artifact import Draft
from model_store.manifest import TrainingRecord

SPEC = DetectorSpec(
    input=InputSpec(height=32, width=32),
    mosaic_scale=4,
    unet=UNetSpec(widths=(4, 8)),
    fader=FaderSpec(patch=8, hidden=8, levels=(0,)),
)


def make_draft(product: str = "plate", seed: int = 0) -> Draft:
    """Random weights, one golden picture, the score that they give."""
    torch.manual_seed(seed)
    detector = build_detector(SPEC)
    picture = png(np.random.default_rng(seed))
    score = score_of(detector, picture)
    return Draft(
        product=product,
        detector=SPEC,
        weights=detector_weights(detector),
        calibration=calibrate([score] * 30, promise=0.05, review_rate=0.0, map_floor=score - 1),
        training=TrainingRecord(
            config={"fit": {"epochs": 1}},
            seed=seed,
            data_digest="0" * 64,
            images={"train": 1},
            minutes=0.5,
            device="cpu",
            saliency="spectral",
            backbone=None,
        ),
        metrics={"image_auroc": 0.5},
        golden={"golden/0001.png": picture},
        golden_scores={"golden/0001.png": score},
    )


def png(random: np.random.Generator) -> bytes:
    """A noisy picture."""
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def score_of(detector: Detector, picture: bytes) -> float:
    """The service's own path."""
    pixels = resize_to_input(decode(picture, detector.spec.input).image, detector.spec.input)
    return float(detector(stack([pixels], torch.device("cpu"))).score)


def golden_file(version: Path) -> Path:
    """Its only golden picture."""
    return version / "golden/0001.png"
