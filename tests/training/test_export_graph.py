"""Training writes the backbone's graph into a version where it can."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from detector.build import build_detector
from detector.calibration import calibrate
from detector.image_health import ImageHealth, summarise
from detector.spec import BackboneSpec, EvidenceSpec, InputSpec, TileSpec
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.graph import plan_graph
from model_store.manifest import read_manifest
from model_store.registry import Registry
from tests.model_store.drafts import SPEC, make_draft, score_of
from tests.model_store.graphs import HALF, import_backbone, make_detector, make_graph, make_model, publish_with_graph
from training.add_graph import add_graph
from training.errors import NoGraph
from training.export import export, graph_for
from training.export_graph import export_graph, folded_copy, on_graph

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def test_the_exporter_writes_the_same_numbers_as_a_hand_does() -> None:
    detector, picture = make_detector(), torch.rand(1, 3, 32, 32)
    graph = export_graph(detector)
    assert graph is not None
    assert b"torch" not in graph
    assert b"/" not in graph
    (drawn,), (by_hand,) = (on_graph(detector, data).see(picture).features for data in (graph, make_graph()))
    assert torch.equal(drawn, by_hand)
    torch.testing.assert_close(drawn, folded_copy(detector).see(picture).features[0], rtol=1e-5, atol=1e-6)
    assert detector.engine == "reference"


def test_a_graph_sees_what_a_tile_does() -> None:
    spec = replace(SPEC, input=InputSpec(height=96, width=160), tiles=TileSpec(side=64, overlap=0))
    detector, picture = make_detector(spec), torch.rand(1, 3, 96, 160)
    plan = plan_graph(folded_copy(detector))
    assert plan is not None
    served = on_graph(detector, make_graph(make_model(plan.height, plan.width)))
    (features,), (expected,) = served.see(picture).features, folded_copy(detector).see(picture).features
    assert plan.height < 96
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)


def test_there_is_nothing_to_export_where_no_backbone_is_read(caplog: pytest.LogCaptureFixture) -> None:
    assert export_graph(build_detector(SPEC)) is None
    assert not caplog.messages


def test_a_vision_transformer_is_not_exported() -> None:
    import timm  # noqa: PLC0415 -- seconds, for one test

    name = "vit_tiny_patch16_224"
    backbone = BackboneSpec(name=name, digest="0" * 64, mean=HALF, std=HALF)
    spec = replace(SPEC, backbone=backbone, evidence=EvidenceSpec(maps=("backbone",)))
    assert export_graph(build_detector(spec, timm.create_model(name, num_classes=0).state_dict())) is None


def test_without_the_exporter_a_version_has_no_graph_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("training.export_graph.find_spec", lambda name: None if name == "onnxscript" else name)
    assert export_graph(make_detector()) is None
    assert "onnxscript is not installed" in caplog.text


def test_a_graph_is_published_only_if_golden_pictures_score_on_it_as_they_should(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detector, pictures, graph = make_detector(), make_draft().golden, make_graph()
    monkeypatch.setattr("training.export.export_graph", lambda _: graph)
    scores = {name: score_of(folded_copy(detector), data) for name, data in pictures.items()}
    assert graph_for(detector, pictures, scores) == graph
    assert graph_for(detector, pictures, {name: score + 1 for name, score in scores.items()}) is None
    assert "golden pictures score otherwise on it, by 1.0e+00" in caplog.text


def test_a_finished_run_is_published_with_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, draft = make_graph(), make_draft()
    monkeypatch.setattr("training.export.export_graph", lambda _: graph)
    picture = tmp_path / "part.png"
    picture.write_bytes(draft.golden["golden/0001.png"])
    detector = make_detector(digest=import_backbone(tmp_path).digest)
    score = score_of(folded_copy(detector), picture.read_bytes())
    ref = export(
        tmp_path,
        "plate",
        detector,
        calibration=calibrate([score] * 30, promise=0.05, review_rate=0.0, map_floor=score - 1),
        record=draft.training,
        metrics={},
        golden=[picture],
        image_health=summarise([ImageHealth(0.5, 0.2, 0.1, 0.0)]),
        activate=True,
    )
    assert load_artifact(ref.path, BackboneStore(tmp_path / "backbones"), torch.device("cpu"), "onnx").detector.graph


def test_an_exporter_that_fails_and_a_runtime_that_refuses_cost_the_graph_and_not_the_version(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detector, model = make_detector(), make_model()
    monkeypatch.setattr("training.export_graph._trace", raise_type_error)
    assert export_graph(detector) is None
    assert "no graph for the engine onnx: too new" in caplog.text
    model.opset_import[0].version = 10_000
    graph = make_graph(model)
    monkeypatch.setattr("training.export.export_graph", lambda _: graph)
    assert graph_for(detector, make_draft().golden, {"golden/0001.png": 0.0}) is None
    assert "does not take the graph" in caplog.text


def raise_type_error(*_: object) -> None:
    raise TypeError("too new")


def test_a_version_of_before_is_published_again_with_a_graph_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, graph = publish_with_graph(tmp_path, None), make_graph()
    monkeypatch.setattr("training.export.export_graph", lambda _: graph)
    ref = add_graph(tmp_path, "plate", activate=False)
    assert (ref.path / "backbone.onnx").read_bytes() == graph
    for name in ("weights.safetensors", "golden/0001.png"):
        assert (ref.path / name).read_bytes() == (before / name).read_bytes()
    old, new = (read_manifest(path)[0] for path in (before, ref.path))
    changes = {"version": 2, "created_at": new.created_at, "files": new.files}
    assert new == old.model_copy(update=changes)
    assert (
        load_artifact(ref.path, BackboneStore(tmp_path / "backbones"), torch.device("cpu"), "onnx").golden_delta < 1e-5
    )


def test_a_version_that_reads_no_backbone_is_given_no_graph(tmp_path: Path) -> None:
    Registry(tmp_path).publish(make_draft(), activate=True)
    with pytest.raises(NoGraph, match="plate@1 reads no features"):
        add_graph(tmp_path, "plate", activate=True)
    assert Registry(tmp_path).versions("plate") == (1,)
