"""A version that reads the first stage of a small MobileNetV2, and that stage as an ONNX graph, written by hand."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detector.build import build_detector, detector_weights
from detector.calibration import calibrate
from detector.engine import arrange
from detector.pipeline import Detector
from detector.spec import BackboneSpec, DetectorSpec, EvidenceSpec, FeatureSpec
from model_store.backbones import BackboneStore
from model_store.graph import GraphPlan, bare_graph, plan_graph
from model_store.registry import Registry
from tests.model_store.drafts import SPEC, make_draft, score_of

NAME, HALF = "mobilenetv2_050", (0.5, 0.5, 0.5)
LAYERS = (("conv_stem", 2, 1), ("blocks.0.0.conv_dw", 1, 16), ("blocks.0.0.conv_pw", 1, 1))
"""Name, stride, groups of each convolution; a ReLU6 follows all but the last."""


@cache
def backbone_weights() -> dict[str, Tensor]:
    """Random ones, with batch norms that do something."""
    torch.manual_seed(0)
    network = timm.create_model(NAME, num_classes=0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, low, high in ((norm.running_mean, -0.2, 0.2), (norm.running_var, 0.5, 1.5)):
                assert values is not None
                values.uniform_(low, high)
    weights: dict[str, Tensor] = network.state_dict()
    return weights


def make_detector(spec: DetectorSpec = SPEC, digest: str = "0" * 64) -> Detector:
    """The smallest that reads the backbone's first stage."""
    backbone = BackboneSpec(name=NAME, digest=digest, mean=HALF, std=HALF)
    evidence = EvidenceSpec(maps=("backbone",), backbone=FeatureSpec(levels=(0,), stride=8, dimensions=4))
    return build_detector(replace(spec, backbone=backbone, evidence=evidence), backbone_weights())


def make_plan() -> GraphPlan:
    """What a graph of it must be."""
    plan = plan_graph(arrange(make_detector(), "folded"))
    assert plan is not None
    return plan


def make_model(height: int = 32, width: int = 32, *, ceiling: float = 6.0) -> Any:
    """An `onnx.ModelProto` as an exporter would give it, but for the weights' numbers."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 -- an extra

    constants = {"half": np.full((1, 3, 1, 1), 0.5, np.float32), "zero": np.float32(0), "six": np.float32(ceiling)}
    nodes = [
        helper.make_node("Sub", ["pictures", "half"], ["moved"]),
        helper.make_node("Div", ["moved", "half"], ["0"]),
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    for number, (layer, stride, groups) in enumerate(LAYERS):
        names, shape = [f"backbone.network.{layer}.{kind}" for kind in ("weight", "bias")], sides(layer)
        tensors += [
            TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT)
            for name, dims in zip(names, (shape, shape[:1]), strict=True)
        ]
        last = number == len(LAYERS) - 1
        options = {"strides": [stride, stride], "pads": [shape[-1] // 2] * 4, "group": groups}
        nodes.append(helper.make_node("Conv", [str(number), *names], ["map" if last else f"{number}+"], **options))
        if not last:
            nodes.append(helper.make_node("Clip", [f"{number}+", "zero", "six"], [str(number + 1)]))
    ends = {"pictures": [3, height, width], "map": [8, height // 2, width // 2]}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *end]) for name, end in ends.items()]
    graph = helper.make_graph(nodes, "by hand", infos[:1], infos[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def sides(layer: str) -> list[int]:
    """Of the weights of a convolution."""
    return list(backbone_weights()[f"{layer}.weight"].shape)


def make_graph(model: Any = None) -> bytes:
    """The bytes that a version holds."""
    return bare_graph(make_model() if model is None else model, make_plan().weights)


def import_backbone(store: Path) -> BackboneSpec:
    """Into the store."""
    store.mkdir(exist_ok=True)
    file = store / "backbone.safetensors"
    save_file(backbone_weights(), file)
    return BackboneStore(Registry(store).backbones_root).import_file(file, name=NAME, mean=HALF, std=HALF)


def publish_with_graph(store: Path, graph: bytes | None) -> Path:
    """The folder of a version whose golden score is that of the engine `folded`."""
    spec = import_backbone(store)
    draft, detector = make_draft(), make_detector(digest=spec.digest)
    weights = detector_weights(detector)
    arrange(detector, "folded")
    scores = {name: score_of(detector, picture) for name, picture in draft.golden.items()}
    score = next(iter(scores.values()))
    return (
        Registry(store)
        .publish(
            replace(
                draft,
                detector=detector.spec,
                weights=weights,
                calibration=calibrate([score] * 30, promise=0.05, review_rate=0.0, map_floor=score - 1),
                golden_scores=scores,
                graph=graph,
            ),
            activate=True,
        )
        .path
    )
