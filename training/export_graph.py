"""The frozen backbone of a fitted detector → the ONNX graph by which a CPU computes it faster, without the weights.

In: a detector. Out: bytes for the version; None where there is nothing to export or to export it with, which is no
error: such a version is computed on the engine `folded`. Not while anything is scored in this process: torch's exporter
switches oneDNN off in all of it while it traces (docs/adr/0017).
"""

import copy
import logging
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from detector.backbone import Backbone
from detector.engine import arrange, attach
from detector.graph import PICTURES
from detector.pipeline import Detector
from model_store.artifact import MAX_GRAPH_BYTES
from model_store.errors import GraphInvalid
from model_store.graph import bare_graph, check_graph, open_graph, plan_graph

NEEDED = ("onnx", "onnxruntime", "onnxscript")  # of the extra `train`

EXPORTER_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the exporter raises of a network or a package that it does not get on with; no version must fail by it."""

log = logging.getLogger(__name__)


class _Stages(nn.Module):
    """What is exported."""

    def __init__(self, backbone: Backbone, levels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.levels = levels
        layer: Any
        for layer in self.modules():
            if hasattr(layer, "inplace"):
                layer.inplace = False  # the same numbers, traced in half the time

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B,3,H,W) → maps."""
        return self.backbone.stages(pictures, self.levels)


def export_graph(detector: Detector) -> bytes | None:
    """The graph of its backbone for its own input; None, said in the log, where a network cannot be expressed."""
    if "backbone" not in detector.spec.evidence.maps or detector.backbone is None:
        return None
    if isinstance(detector.backbone.network, VisionTransformer):
        return None  # its operators are not on the list, and nobody measured that it gains
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        log.warning("no graph for the engine onnx: %s is not installed (extra `train`)", missing[0])
        return None
    served = folded_copy(detector)
    try:
        return _export(served)
    except (*EXPORTER_FAULTS, GraphInvalid) as exc:
        log.warning("no graph for the engine onnx: %s", exc)
        return None


def on_graph(detector: Detector, graph: bytes) -> Detector:
    """A copy on the engine `onnx`, on the CPU."""
    served = folded_copy(detector)
    return attach(served, open_graph(graph, served))


def folded_copy(detector: Detector) -> Detector:
    """On the CPU."""
    return arrange(copy.deepcopy(detector).cpu(), "folded").eval()


def _export(served: Detector) -> bytes:
    plan = plan_graph(served)
    if plan is None or served.backbone is None:
        raise GraphInvalid("the detector reads no features of a backbone")
    stages = _Stages(served.backbone, served.spec.evidence.backbone.levels)
    data = bare_graph(_trace(stages, torch.rand(2, 3, plan.height, plan.width)), plan.weights)
    if len(data) > MAX_GRAPH_BYTES:
        raise GraphInvalid(f"the graph has {len(data)} bytes; {MAX_GRAPH_BYTES} are allowed")
    check_graph(data, plan)
    return data


def _trace(stages: nn.Module, pictures: Tensor) -> Any:
    """An `onnx.ModelProto` for any number of pictures of this size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own future; what is wrong with the graph raises
        program = torch.onnx.export(
            stages,
            (pictures,),
            dynamo=True,
            verbose=False,
            input_names=[PICTURES],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    return None if program is None else program.model_proto
