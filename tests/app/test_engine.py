"""Which engine a worker computes a version on."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from app.settings import Settings
from app.worker import EngineChoice, load_detector
from detector.build import build_detector, load_detector_weights
from model_store.artifact import Draft
from model_store.registry import Registry
from tests.model_store.drafts import SPEC, make_draft, score_of


def publish(folder: Path, draft: Draft) -> Path:
    """Its folder."""
    return Registry(folder / "store").publish(draft, activate=True).path


def make_touchy_draft() -> Draft:
    """What its convolutions add its batch norms take away again: together, where neither happens, that rounds less."""
    draft, detector = make_draft(), build_detector(SPEC)
    cancelled = re.compile(r"unet\.(encoders|bottleneck|decoders).*(running_mean|\.0\.bias)")
    weights = {name: tensor + 1e4 if cancelled.fullmatch(name) else tensor for name, tensor in draft.weights.items()}
    load_detector_weights(detector, weights)
    scores = {name: score_of(detector, picture) for name, picture in draft.golden.items()}
    return replace(draft, weights=weights, golden_scores=scores, golden_tolerance=1e-6)


@pytest.mark.parametrize(("choice", "engine"), [("auto", "folded"), ("reference", "reference")])
def test_a_version_is_computed_on_the_engine_that_is_set(choice: EngineChoice, engine: str, tmp_path: Path) -> None:
    assert load_detector(publish(tmp_path, make_draft()), "cpu", choice).engine == engine


def test_a_version_whose_golden_pictures_score_otherwise_on_the_fast_engine_is_computed_layer_by_layer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = load_detector(publish(tmp_path, make_touchy_draft()), "cpu")
    assert (runner.engine, runner.golden_delta) == ("reference", 0)
    assert "not on the folded engine" in caplog.text


@pytest.mark.parametrize("choice", ["auto", "reference"])
def test_on_a_cpu_a_score_is_the_same_alone_and_in_a_batch(choice: EngineChoice, tmp_path: Path) -> None:
    runner = load_detector(publish(tmp_path, make_draft()), "cpu", choice)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(9)]
    alone = [runner([picture])[0][0] for picture in pictures]
    assert [score for score, _ in runner(pictures)] == pytest.approx(alone, rel=1e-6, abs=1e-6)


def test_an_engine_that_does_not_exist_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="'auto' or 'reference'"):
        Settings(engine="warp")  # type: ignore[arg-type]
