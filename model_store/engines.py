"""Which engine a version is computed on: the fastest that is here and gives its golden scores.

In: a version's folder, a device, what was chosen. Out: the loaded version. Refuses: what `load_artifact` does on the
slowest engine. Every step down from what could have been is a warning that says why.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from detector.pipeline import EngineName
from model_store.artifact import LoadedModel, load_artifact
from model_store.backbones import BackboneStore
from model_store.errors import GoldenMismatch, GraphInvalid, GraphUnusable
from model_store.manifest import GRAPH

EngineChoice = Literal["auto", "onnx", "folded", "reference"]
"""`auto`: `onnx` on a CPU where the version has a graph, else `folded`. `onnx`: the same, and says so where it cannot
be. From `onnx` and `folded` there is a way down, for a line must not stand still for the sake of speed."""

log = logging.getLogger(__name__)


def load_on_engine(path: Path, backbones: BackboneStore, device: torch.device, choice: EngineChoice) -> LoadedModel:
    """A version on the first engine that takes it, checked as `load_artifact` does."""
    for engine in _engines(path, device, choice):
        try:
            return load_artifact(path, backbones, device, engine)
        except (GoldenMismatch, GraphInvalid, GraphUnusable) as exc:
            log.warning("not on the %s engine: %s", engine, exc)
    return load_artifact(path, backbones, device, "reference")


def _engines(path: Path, device: torch.device, choice: EngineChoice) -> Iterator[EngineName]:
    """The fast ones to try, the fastest first."""
    wanted = choice == "onnx" or (choice == "auto" and (path / GRAPH).exists())
    if wanted and device.type == "cpu":
        yield "onnx"
    if choice != "reference":
        yield "folded"
