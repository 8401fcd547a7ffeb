"""A version may hold the graph of its backbone: what is in it, who computes with it. Hostile ones: tests/attacks."""

import gc
import weakref
from pathlib import Path

import pytest
import torch

from detector.engine import arrange
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.errors import GraphUnusable
from model_store.graph import bare_graph, check_graph, open_graph
from tests.model_store.drafts import golden_file
from tests.model_store.graphs import LAYERS, make_detector, make_graph, make_model, make_plan, publish_with_graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
CPU = torch.device("cpu")


def test_a_graph_names_its_weights_and_does_not_hold_them() -> None:
    graph = make_graph()
    names = {f"backbone.network.{layer}.{kind}" for layer, _, _ in LAYERS for kind in ("weight", "bias")}
    assert check_graph(graph, make_plan()) == names
    assert len(graph) < 3000


def test_what_an_exporter_says_of_its_machine_stays_behind() -> None:
    model = make_model()
    model.producer_name, model.doc_string = "pytorch", "/home/someone"
    model.graph.node[0].metadata_props.add(key="stack_trace", value="/home/someone/train.py")
    model.graph.initializer[3].raw_data = bytes(4 * 16 * 3 * 3 * 3)  # the first weights
    assert bare_graph(model, make_plan().weights) == make_graph()


def test_a_version_is_computed_by_its_graph_and_scores_as_at_export(tmp_path: Path) -> None:
    path = publish_with_graph(tmp_path, make_graph())
    model = load_artifact(path, BackboneStore(tmp_path / "backbones"), CPU, "onnx")
    assert model.detector.engine == "onnx"
    assert model.detector.graph is not None
    assert model.golden_delta < 1e-5
    assert golden_file(path).exists()


def test_a_version_with_a_graph_is_computed_by_torch_where_that_is_asked_for(tmp_path: Path) -> None:
    path = publish_with_graph(tmp_path, make_graph())
    model = load_artifact(path, BackboneStore(tmp_path / "backbones"), CPU, "folded")
    assert (model.detector.engine, model.detector.graph, model.golden_delta) == ("folded", None, 0)


def test_a_version_without_a_graph_is_not_computed_by_one(tmp_path: Path) -> None:
    path = publish_with_graph(tmp_path, None)
    assert not (path / "backbone.onnx").exists()
    with pytest.raises(GraphUnusable, match=r"has no backbone\.onnx"):
        load_artifact(path, BackboneStore(tmp_path / "backbones"), CPU, "onnx")


def test_one_graph_is_in_memory_for_all_that_hold_it_and_no_longer() -> None:
    detectors = [arrange(make_detector(), "folded") for _ in range(2)]
    first, second = (open_graph(make_graph(), detector) for detector in detectors)
    assert first is second
    other = open_graph(make_graph(make_model(ceiling=5.0)), detectors[0])
    assert other is not first
    gone = weakref.ref(first)
    del first, second
    gc.collect()
    assert gone() is None


def test_a_graph_that_the_runtime_does_not_take_is_unusable() -> None:
    model = make_model()
    model.opset_import[0].version = 10_000
    with pytest.raises(GraphUnusable, match="does not take"):
        open_graph(make_graph(model), arrange(make_detector(), "folded"))
