"""The graph of a frozen backbone: ONNX without weights, as a version holds it, made and checked.

In: what an exporter wrote, to be bared; or the bytes of `backbone.onnx`, which are not trusted. Out: bytes that hold
what FORMAT.md allows and nothing else; or what computes them. Refuses: all else (`GraphInvalid`), and a place where the
extra `onnx` is not installed (`GraphUnusable`). docs/adr/0023 says why such a file may be.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from detector.errors import GraphRefused
from detector.graph import PICTURES, PREFIX, BackboneGraph
from detector.pipeline import Detector
from detector.spec import BackboneSpec
from detector.tiles import window
from model_store.errors import GraphInvalid, GraphUnusable

OPERATORS = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Clip", "Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Identity"),
        *("Conv", "Pad", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "BatchNormalization"),
    }
)
"""Arithmetic of convolutional networks: nothing that branches, repeats, draws at random or reaches outside."""
ATTRIBUTES = ("FLOAT", "INT", "STRING", "FLOATS", "INTS")
"""Kinds that an attribute may have: no tensors, and no graphs."""
BACKBONE = "backbone"
"""Stands where ONNX has the file of an external tensor: the weights are the store's backbone's, and no file is read."""


_OPEN: WeakValueDictionary[tuple[BackboneSpec, str], BackboneGraph] = WeakValueDictionary()
_OPENING = Lock()


@dataclass(frozen=True)
class GraphPlan:
    """What a graph must be, by the spec of its detector."""

    height: int
    width: int
    """Of what the network sees at once, in px."""
    channels: Sequence[int]
    """Of the maps, in the order of their depths."""
    weights: Mapping[str, Tensor]
    """Those of the folded backbone, by the names that they have in a graph."""

    def describe(self) -> str:
        """For a message."""
        return f"{self.width}x{self.height} px and maps of {', '.join(map(str, self.channels))} channels"


def plan_graph(detector: Detector) -> GraphPlan | None:
    """The plan for a detector that is folded; None where it reads no features of a backbone."""
    spec, backbone = detector.spec, detector.backbone
    if backbone is None or "backbone" not in spec.evidence.maps:
        return None
    height, width = window(spec.input.height, spec.input.width, spec.tiles)
    channels = [backbone.channels([level]) for level in sorted(spec.evidence.backbone.levels)]
    tensors = {PREFIX + name: tensor for name, tensor in backbone.state_dict().items() if tensor.dtype == torch.float32}
    return GraphPlan(height, width, channels, tensors)


def open_graph(data: bytes, detector: Detector) -> BackboneGraph:
    """What computes these bytes for a folded detector on a CPU: one for all that hold the same, as backbones are.

    Raises `GraphInvalid` and `GraphUnusable`.
    """
    plan, spec = plan_graph(detector), detector.spec.backbone
    if plan is None or spec is None:
        raise GraphInvalid("a detector without features of a backbone has no use for a graph")
    named = check_graph(data, plan)
    key = spec, hashlib.sha256(data).hexdigest()
    with _OPENING:
        graph = _OPEN.get(key)
        if graph is None:
            try:
                graph = BackboneGraph(data, {name: plan.weights[name] for name in sorted(named)})
            except GraphRefused as exc:
                raise GraphUnusable(str(exc)) from exc
            _OPEN[key] = graph
        return graph


def bare_graph(model: Any, weights: Mapping[str, Tensor]) -> bytes:
    """An exporter's `onnx.ModelProto` → the bytes of what is needed to compute it: no weights, no stack traces."""
    return bytes(_bare(model, weights).SerializeToString(deterministic=True))


def check_graph(data: bytes, plan: GraphPlan) -> frozenset[str]:
    """Names of the weights that the graph is to be given; `GraphInvalid` unless it is one that may be run."""
    onnx = _onnx()
    try:
        model = onnx.ModelProto.FromString(data)
    except import_module("google.protobuf.message").DecodeError as exc:
        raise GraphInvalid(f"the graph is not ONNX: {exc}") from exc
    for node in model.graph.node:
        _check_node(node, onnx)
    if [opset.domain for opset in model.opset_import] != [""]:
        raise GraphInvalid("the graph imports operators from elsewhere than ONNX")
    named = _check_initializers(model.graph.initializer, plan.weights, onnx)
    if _bare(model, plan.weights) != model:
        raise GraphInvalid("the graph holds more than nodes, weights' names, constants, one input and outputs")
    _check_ends(model.graph, plan, onnx)
    return named


def _onnx() -> Any:
    try:
        return import_module("onnx")
    except ImportError as exc:
        raise GraphUnusable(f"the package onnx cannot be imported ({exc}): pip install 'inspect-line[onnx]'") from exc


def _check_node(node: Any, onnx: Any) -> None:
    if node.domain or node.op_type not in OPERATORS:
        raise GraphInvalid(
            f"the graph has an operator {node.domain or 'ONNX'}.{node.op_type}, which is not on the list"
        )
    allowed = {onnx.AttributeProto.AttributeType.Value(kind) for kind in ATTRIBUTES}
    if odd := [attribute.name for attribute in node.attribute if attribute.type not in allowed]:
        raise GraphInvalid(f"{node.op_type} has an attribute {odd[0]!r} that is no number, text or list of numbers")


def _check_initializers(tensors: Sequence[Any], weights: Mapping[str, Tensor], onnx: Any) -> frozenset[str]:
    """Names of those that are weights; nothing else may lie outside the graph."""
    kinds, named = onnx.TensorProto, set()
    for tensor in tensors:
        places = [(entry.key, entry.value) for entry in tensor.external_data]
        if tensor.name not in weights:
            if places or tensor.data_location != kinds.DEFAULT or tensor.data_type not in (kinds.FLOAT, kinds.INT64):
                raise GraphInvalid(f"{tensor.name!r} is neither a weight of the backbone nor numbers in the graph")
            continue
        if places != [("location", BACKBONE)] or tensor.data_location != kinds.EXTERNAL:
            raise GraphInvalid(f"{tensor.name!r} does not come from the backbone")
        if tensor.data_type != kinds.FLOAT or list(tensor.dims) != list(weights[tensor.name].shape):
            raise GraphInvalid(f"{tensor.name!r} is of another shape or type than in the backbone")
        named.add(tensor.name)
    return frozenset(named)


def _check_ends(graph: Any, plan: GraphPlan, onnx: Any) -> None:
    """One input (B,3,H,W), and a map (B,C,h,w) for each depth."""
    ends = [*graph.input, *graph.output]
    shapes = [_shape(end) for end in ends]
    wanted = [3, *plan.channels]
    if [end.name for end in graph.input] != [PICTURES] or len(ends) != len(wanted):
        raise GraphInvalid(f"the graph must turn {PICTURES!r} into {len(plan.channels)} maps")
    if any(end.type.tensor_type.elem_type != onnx.TensorProto.FLOAT for end in ends):
        raise GraphInvalid("pictures and maps must be float32")
    batch = shapes[0][:1]
    fits = isinstance(batch[0], str) and shapes[0] == [*batch, 3, plan.height, plan.width]
    if not fits or [shape[:2] for shape in shapes] != [[*batch, channels] for channels in wanted]:
        raise GraphInvalid(f"the graph is for {shapes[0]} and gives {shapes[1:]}; the spec is for {plan.describe()}")


def _bare(model: Any, weights: Mapping[str, Tensor]) -> Any:
    """A new model of those fields that mean something here; what an exporter, or an attacker, adds stays behind."""
    onnx = _onnx()
    bare = onnx.ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(
        onnx.OperatorSetIdProto(domain=opset.domain, version=opset.version) for opset in model.opset_import
    )
    bare.graph.name = BACKBONE
    for node in model.graph.node:
        kept = bare.graph.node.add(op_type=node.op_type, input=node.input, output=node.output)
        for attribute in node.attribute:
            _copy(attribute, kept.attribute.add(), ("name", "type", "f", "i", "s", "floats", "ints"))
    for tensor in model.graph.initializer:
        kept = bare.graph.initializer.add()
        if tensor.name not in weights:
            _copy(tensor, kept, ("name", "dims", "data_type", "raw_data", "float_data", "int64_data"))
            continue
        _copy(tensor, kept, ("name", "dims", "data_type"))
        kept.data_location = onnx.TensorProto.EXTERNAL
        kept.external_data.add(key="location", value=BACKBONE)
    for ends, kept_ends in ((model.graph.input, bare.graph.input), (model.graph.output, bare.graph.output)):
        for end in ends:
            kept_ends.append(onnx.helper.make_tensor_value_info(end.name, end.type.tensor_type.elem_type, _shape(end)))
    return bare


def _copy(source: Any, target: Any, names: Sequence[str]) -> None:
    for field, value in source.ListFields():
        if field.name in names:
            if isinstance(value, (int, float, str, bytes)):
                setattr(target, field.name, value)
            else:
                getattr(target, field.name).extend(value)


def _shape(end: Any) -> list[int | str]:
    return [side.dim_param or side.dim_value for side in end.type.tensor_type.shape.dim]
