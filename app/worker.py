"""The process that owns one device: models in memory, pictures in, scores out.

In, through a pipe: (ModelRef, [(H,W,3) uint8, …]); an empty list only loads the model.
Out: `Answer`.
Exits when the pipe closes, so it never outlives the service, and with EXIT_CODE when its device is lost.
The only module here that imports torch.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.device_faults import EXIT_CODE, is_device_fault, is_out_of_memory
from app.residency import NeverFits, Residency
from app.work import ModelRef

log = logging.getLogger(__name__)

Pictures = Sequence[npt.NDArray[np.uint8]]
Result = tuple[float, npt.NDArray[np.float32]]


class Runner(Protocol):
    """A loaded model."""

    @property
    def golden_delta(self) -> float:
        """Largest |Δscore| of its golden pictures against export."""

    @property
    def device(self) -> str:
        """Where it is; the CPU where it was to be on a CUDA device and there is none."""

    def __call__(self, pictures: Pictures) -> list[Result]:
        """Score and heatmap (H,W) of each picture (H,W,3) uint8."""


Loader = Callable[[Path, str], Runner]


class Refused(Exception):
    """A loader refuses this version; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What comes back for one batch."""

    results: tuple[Result, ...] = ()
    """Per picture."""
    golden_delta: float = 0.0
    refused: str | None = None
    """Why the loader refused the version."""
    too_large: str | None = None
    """Why no worker can hold it."""
    fault: str | None = None
    """What loading or scoring raised beyond that; of several pictures, any may be the cause."""
    resident: tuple[str, ...] = ()
    """Digests of the models that are in memory now."""
    resident_bytes: int = 0
    device: str | None = None
    """Where the model really is."""


def work(pipe: Connection, device: str, loader: Loader, resident_bytes: int) -> None:
    """Answer batches until the pipe closes, or until the device is lost: then nothing is answered any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    models = _Models(device, loader, resident_bytes)
    while True:
        try:
            ref, pictures = pipe.recv()
        except (EOFError, OSError):
            return
        out_of_memory = False
        try:
            answer = _score(models, ref, pictures)
        except Refused as refusal:
            answer = Answer(refused=str(refusal))
        except NeverFits as refusal:
            answer = Answer(too_large=f"{ref.product}@{ref.version}: {refusal}")
        except Exception as error:
            log.exception("%s@%s: %d pictures", ref.product, ref.version, len(pictures))
            if is_device_fault(error):
                os._exit(EXIT_CODE)  # no clean-up: it would call into the lost device, and may hang there
            out_of_memory = is_out_of_memory(error)
            answer = Answer(fault=f"{type(error).__name__}: {error}")
        if out_of_memory:  # here, where the error no longer holds the tensors of its batch
            _empty_cache()
        pipe.send(replace(answer, resident=models.residency.digests, resident_bytes=models.residency.bytes))


def load_detector(path: Path, device: str) -> Runner:
    """The real loader: an artifact, checked and re-scored on `device`."""
    import torch  # noqa: PLC0415 -- only a worker runs torch

    from detector.pipeline import stack  # noqa: PLC0415
    from model_store.artifact import load_artifact  # noqa: PLC0415
    from model_store.backbones import BackboneStore  # noqa: PLC0415
    from model_store.errors import ArtifactError  # noqa: PLC0415

    cuda_is_missing = device.startswith("cuda") and not torch.cuda.is_available()
    if cuda_is_missing:
        log.error("%s is wanted and CUDA is not there: %s runs on the CPU", device, path)
    place = torch.device("cpu" if cuda_is_missing else device)
    try:
        model = load_artifact(path, BackboneStore(path.parents[3] / "backbones"), place)
    except ArtifactError as exc:
        raise Refused(f"{type(exc).__name__}: {exc}") from exc

    # on a CPU one by one: a score then has the same bits in every batch, and those that training measured
    step = 1 if place.type == "cpu" else None

    def score(pictures: Pictures) -> list[Result]:
        results: list[Result] = []
        for start in range(0, len(pictures), step or len(pictures)):
            anomaly = model.detector(stack(pictures[start:][:step], place))
            scores, heatmaps = anomaly.score.double().tolist(), anomaly.heatmap.cpu().numpy()
            results += zip(scores, heatmaps, strict=True)
        return results

    return _Detecting(model.golden_delta, str(place), score)


@dataclass(frozen=True)
class _Detecting:
    golden_delta: float
    device: str
    score: Callable[[Pictures], list[Result]]

    def __call__(self, pictures: Pictures) -> list[Result]:
        return self.score(pictures)


class _Models:
    """Loaded models, within the bytes that they may take."""

    def __init__(self, device: str, loader: Loader, limit: int) -> None:
        self.residency = Residency(limit)
        self._device = device
        self._loader = loader
        self._runners: dict[str, Runner] = {}

    def get(self, ref: ModelRef) -> Runner:
        """The model of `ref`, loaded if need be, after those that must make room have gone."""
        for digest in self.residency.reserve(ref.digest, ref.bytes):
            del self._runners[digest]
        if ref.digest not in self._runners:
            with ExitStack() as undo:
                undo.callback(self.residency.release, ref.digest)
                self._runners[ref.digest] = self._loader(ref.path, self._device)
                undo.pop_all()
        return self._runners[ref.digest]


def _score(models: _Models, ref: ModelRef, pictures: Pictures) -> Answer:
    """A function of its own, so that no name outlives it and keeps a model in memory that was to make room."""
    runner = models.get(ref)
    return Answer(tuple(runner(pictures)) if pictures else (), runner.golden_delta, device=runner.device)


def _empty_cache() -> None:
    """Give unused device memory back, so that the pictures of the batch fit one by one."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.cuda.empty_cache()
