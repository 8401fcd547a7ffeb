"""Which engine a worker computes a version on."""

import logging
import re
import sys
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
from tests.model_store.graphs import make_graph, make_model, publish_with_graph


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


CHOICES: list[tuple[EngineChoice, str]] = [("auto", "folded"), ("folded", "folded"), ("reference", "reference")]


@pytest.mark.parametrize(("choice", "engine"), CHOICES)
def test_a_version_is_computed_on_the_engine_that_is_set(choice: EngineChoice, engine: str, tmp_path: Path) -> None:
    assert load_detector(publish(tmp_path, make_draft()), "cpu", choice).engine == engine


def test_a_version_whose_golden_pictures_score_otherwise_on_the_fast_engine_is_computed_layer_by_layer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = load_detector(publish(tmp_path, make_touchy_draft()), "cpu")
    assert (runner.engine, runner.golden_delta) == ("reference", 0)
    assert "not on the folded engine" in caplog.text


@pytest.mark.parametrize(("choice", "engine"), [("auto", "onnx"), ("onnx", "onnx"), *CHOICES[1:]])
def test_a_version_with_a_graph_is_computed_by_onnx_runtime_unless_something_else_is_set(
    choice: EngineChoice, engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    path = publish_with_graph(tmp_path, make_graph())
    assert load_detector(path, "cpu", choice).engine == engine
    assert not caplog.messages


def test_a_version_without_a_graph_goes_on_as_before_and_says_nothing_unless_it_was_to_have_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = publish(tmp_path, make_draft())
    assert load_detector(path, "cpu", "auto").engine == "folded"
    assert not caplog.messages
    assert load_detector(path, "cpu", "onnx").engine == "folded"
    assert "not on the onnx engine" in caplog.text


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_extra_a_version_with_a_graph_is_computed_by_torch(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    path = publish_with_graph(tmp_path, make_graph())
    monkeypatch.setitem(sys.modules, package, None)
    assert load_detector(path, "cpu").engine == "folded"
    assert "pip install 'inspect-line[onnx]'" in caplog.text


def test_a_graph_by_which_golden_pictures_score_otherwise_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    path = publish_with_graph(tmp_path, make_graph(make_model(ceiling=0.1)))
    assert load_detector(path, "cpu").engine == "folded"
    assert re.search("not on the onnx engine: plate@1: .* scores", caplog.text)


def test_a_graph_that_may_not_be_run_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime")
    model = make_model()
    model.graph.node[0].op_type = "Steal"
    path = publish_with_graph(tmp_path, make_graph(model))
    assert load_detector(path, "cpu").engine == "folded"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "ONNX.Steal, which is not on the list" in caplog.text


@pytest.mark.parametrize("choice", ["auto", "reference"])
def test_on_a_cpu_a_score_is_the_same_alone_and_in_a_batch(choice: EngineChoice, tmp_path: Path) -> None:
    runner = load_detector(publish(tmp_path, make_draft()), "cpu", choice)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(9)]
    alone = [runner([picture])[0][0] for picture in pictures]
    assert [score for score, _ in runner(pictures)] == pytest.approx(alone, rel=1e-6, abs=1e-6)


def test_an_engine_that_does_not_exist_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="'auto', 'onnx', 'folded' or 'reference'"):
        Settings(engine="warp")  # type: ignore[arg-type]
