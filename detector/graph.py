"""The stages of a frozen backbone, computed by ONNX Runtime on a CPU in place of torch.

In: an ONNX graph that training exported and the store has checked (model_store/graph.py), and the weights that it
names but does not hold. Out: pictures → feature maps, the folded engine's but for rounding, and of a picture to the bit
the same in any batch. Refuses: a graph where ONNX Runtime is not installed, or does not take it (`GraphRefused`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from detector.errors import GraphRefused

PICTURES = "pictures"
"""Name of the graph's input."""
PREFIX = "backbone."
"""Before a tensor's name in the backbone, as in the detector's state: the names that weights have in a graph."""
QUIET = 3  # onnxruntime's severity of errors

# Microsoft's builds report their use over the network, unless this is set before anything in the process loads them.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


class BackboneGraph:
    """One graph with its weights; any thread may call it, and computes with as many threads as torch would there."""

    def __init__(self, graph: bytes, weights: Mapping[str, Tensor]) -> None:
        """`weights`: every one that the graph names, float32 on the CPU; raises `GraphRefused`."""
        self._graph = graph
        self._weights = weights
        self._sessions: dict[int, Any] = {}
        self._opening = Lock()
        self._session(torch.get_num_threads())

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """(B,3,H,W) → maps (B,C,h,w), channels last: what follows was laid out for the folded engine's."""
        session = self._session(torch.get_num_threads())
        with _translated():
            maps = session.run(None, {PICTURES: pictures.contiguous().numpy()})
        return [torch.from_numpy(each).contiguous(memory_format=torch.channels_last) for each in maps]

    def _session(self, threads: int) -> Any:
        """Opened by the first thread that needs it, so that a thread of low priority, which loads, does not leave that
        priority to those that help to score."""
        with self._opening:
            if threads not in self._sessions:
                self._sessions[threads] = _open_session(self._graph, self._weights, threads)
            return self._sessions[threads]


def _open_session(graph: bytes, weights: Mapping[str, Tensor], threads: int) -> Any:
    runtime = _import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # a second heap beside that of detector/heap.py, and slower in batches
    options.log_severity_level = QUIET
    for pool in ("intra_op", "inter_op"):  # threads that spin take the service's core (docs/adr/0020)
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    values = [runtime.OrtValue.ortvalue_from_numpy(tensor.contiguous().numpy()) for tensor in weights.values()]
    options.add_external_initializers(list(weights), values)
    with _translated():
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _import_runtime() -> ModuleType:
    try:
        return import_module("onnxruntime")
    except ImportError as exc:
        raise GraphRefused(f"ONNX Runtime cannot be imported ({exc}): pip install 'inspect-line[onnx]'") from exc


@cache
def _runtime_errors() -> tuple[type[Exception], ...]:
    """They have no root of their own."""
    state = vars(import_module("onnxruntime.capi.onnxruntime_pybind11_state")).values()
    return (RuntimeError, *(each for each in state if isinstance(each, type) and issubclass(each, Exception)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _runtime_errors() as exc:
        raise GraphRefused(f"ONNX Runtime does not take the graph: {exc}") from exc
