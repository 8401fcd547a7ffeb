"""Graphs that lie or reach outside: none is run, whatever its hash says."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.errors import (
    ArtifactError,
    GoldenMismatch,
    GraphInvalid,
    HashMismatch,
    ManifestInvalid,
    MissingFile,
    TooLarge,
    UnexpectedFile,
    UnsafePath,
)
from model_store.graph import check_graph
from model_store.registry import Registry
from tests.attacks.test_manifests import link, rewrite
from tests.model_store.drafts import make_draft
from tests.model_store.graphs import make_graph, make_model, make_plan, publish_with_graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
Change = Callable[[Any], object]


def node(op: str, domain: str = "", **attributes: Any) -> Change:
    """One more, which takes the map."""
    return lambda model: model.graph.node.append(onnx.helper.make_node(op, ["map"], ["x"], domain=domain, **attributes))


def outside(tensor: int, **places: str) -> Change:
    """Numbers of a tensor that come from a file."""

    def change(model: Any) -> None:
        target = model.graph.initializer[tensor]
        del target.external_data[:]
        target.ClearField("raw_data")
        target.data_location = onnx.TensorProto.EXTERNAL
        for key, value in places.items():
            target.external_data.add(key=key, value=value)

    return change


def number(kind: int) -> Change:
    """A constant of another type."""
    return lambda model: setattr(model.graph.initializer[0], "data_type", kind)


def ends(which: str, name: str, *sides: int | str) -> Change:
    """One more input or output."""
    info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides)
    return lambda model: getattr(model.graph, which).append(info)


def side(which: str, place: int, value: int) -> Change:
    """Another size of the input or the map."""
    return lambda model: setattr(getattr(model.graph, which)[0].type.tensor_type.shape.dim[place], "dim_value", value)


BODY = onnx.helper.make_graph([], "body", [], [])
ATTACKS: dict[str, tuple[Change, str]] = {
    "an operator of somebody else": (node("Steal", "com.example"), "not on the list"),
    "an operator of the runtime's own": (node("Conv", "com.microsoft"), "not on the list"),
    "an import from elsewhere": (
        lambda m: m.opset_import.append(onnx.helper.make_opsetid("com.example", 1)),
        "from elsewhere",
    ),
    "a branch": (node("If", then_branch=BODY, else_branch=BODY), "not on the list"),
    "a loop": (node("Loop", body=BODY), "not on the list"),
    "a scan": (node("Scan", body=BODY, num_scan_inputs=1), "not on the list"),
    "a branch in an honest operator": (node("Relu", body=BODY), "attribute 'body'"),
    "a tensor in an honest operator": (node("Relu", value=onnx.helper.make_tensor("v", 1, [1], [0.0])), "'value'"),
    "randomness": (node("RandomNormalLike"), "not on the list"),
    "text": (node("StringNormalizer"), "not on the list"),
    "a function": (lambda m: m.functions.add(name="Relu", domain=""), "holds more"),
    "training": (lambda m: m.training_info.add(), "holds more"),
    "metadata": (lambda m: m.metadata_props.add(key="a", value="b"), "holds more"),
    "words": (lambda m: setattr(m.graph, "doc_string", "x" * 99), "holds more"),
    "sparse tensors": (lambda m: m.graph.sparse_initializer.add(), "holds more"),
    "unknown fields": (lambda m: m.MergeFromString(b"\xc2\x3e\x01x"), "holds more"),
    "constants from a file": (outside(0, location="/etc/passwd"), "neither a weight"),
    "weights from a file": (outside(3, location="../../../weights.safetensors"), "does not come from the backbone"),
    "weights from a place in a file": (outside(3, location="backbone", offset="4096"), "does not come"),
    "weights of its own": (lambda m: m.graph.initializer[3].ClearField("external_data"), "does not come"),
    "weights of another shape": (lambda m: m.graph.initializer[3].dims.append(1), "another shape"),
    "weights of another type": (lambda m: setattr(m.graph.initializer[3], "data_type", 10), "another shape or type"),
    "texts for numbers": (number(8), "neither a weight"),
    "one more input": (ends("input", "more", 1), "into 1 maps"),
    "one more map": (ends("output", "half", 1, 3, 1, 1), "into 1 maps"),
    "no map": (lambda m: m.graph.ClearField("output"), "into 1 maps"),
    "pictures of another size": (side("input", 2, 64), "the spec is for 32x32"),
    "one picture": (side("input", 0, 1), "the spec is for"),
    "a map of other channels": (side("output", 1, 9), "maps of 8 channels"),
    "bytes for a map": (lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 2), "float32"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_graph_that_may_not_be_run_is_refused(name: str) -> None:
    change, why = ATTACKS[name]
    model = onnx.ModelProto.FromString(make_graph())
    change(model)
    with pytest.raises(GraphInvalid, match=why):
        check_graph(model.SerializeToString(), make_plan())


def test_what_is_no_graph_is_refused() -> None:
    plan, graph = make_plan(), make_graph()
    for data in (b"", b"\xff" * 40, b"PK\x03\x04", graph[:-7], graph[7:]):
        with pytest.raises(GraphInvalid):
            check_graph(data, plan)


def replace_graph(version: Path, data: bytes) -> None:
    """Other bytes, honestly hashed."""
    (version / "backbone.onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    rewrite(version, lambda fields: fields | {"files": fields["files"] | {"backbone.onnx": digest}})


def unlist(version: Path) -> None:
    """A graph that the manifest does not name."""
    rewrite(version, lambda fields: fields | {"files": {k: v for k, v in fields["files"].items() if "onnx" not in k}})


FILES: dict[str, tuple[Callable[[Path], object], type[ArtifactError]]] = {
    "changed": (lambda v: (v / "backbone.onnx").write_bytes(make_graph() + b"\0"), HashMismatch),
    "gone": (lambda v: (v / "backbone.onnx").unlink(), MissingFile),
    "not listed": (unlist, UnexpectedFile),
    "linked": (link("backbone.onnx"), UnsafePath),
    "huge": (lambda v: replace_graph(v, bytes(2 << 20)), TooLarge),
    "no graph, honestly hashed": (lambda v: replace_graph(v, b"x" * 99), GraphInvalid),
    "another network": (lambda v: replace_graph(v, make_graph(make_model(ceiling=0.1))), GoldenMismatch),
}


@pytest.mark.parametrize("name", FILES)
def test_a_version_with_such_a_graph_is_not_computed_by_it(name: str, tmp_path: Path) -> None:
    attack, error = FILES[name]
    version = publish_with_graph(tmp_path, make_graph())
    attack(version)
    with pytest.raises(error):
        load_artifact(version, BackboneStore(tmp_path / "backbones"), torch.device("cpu"), "onnx")


def test_a_version_that_reads_no_backbone_has_no_graph_of_one(tmp_path: Path) -> None:
    version = Registry(tmp_path).publish(make_draft(), activate=True).path
    replace_graph(version, make_graph())
    with pytest.raises(ManifestInvalid, match="reads no features"):
        load_artifact(version, BackboneStore(tmp_path / "backbones"), torch.device("cpu"))
