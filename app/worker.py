"""The process that owns one device: models in memory, pictures in, scores out.

In, through a pipe: (ModelRef, [(H,W,3) uint8, …]); an empty list only loads the model.
Out: `Answer`.
Exits when the pipe closes, so it never outlives the service. The only module here that imports torch.
"""

import logging
import signal
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.work import ModelRef

log = logging.getLogger(__name__)

Pictures = Sequence[npt.NDArray[np.uint8]]
Result = tuple[float, npt.NDArray[np.float32]]


class Runner(Protocol):
    """A loaded model."""

    @property
    def golden_delta(self) -> float:
        """Largest |Δscore| of its golden pictures against export."""

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
    fault: str | None = None
    """What loading or scoring raised beyond that; of several pictures, any may be the cause."""


def work(pipe: Connection, device: str, loader: Loader, resident: int) -> None:
    """Answer batches until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    models: OrderedDict[str, Runner] = OrderedDict()
    while True:
        try:
            ref, pictures = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            runner = _resident(models, ref, device, loader, resident)
            answer = Answer(tuple(runner(pictures)) if pictures else (), runner.golden_delta)
        except Refused as refusal:
            answer = Answer(refused=str(refusal))
        except Exception as error:
            log.exception("%s@%s: %d pictures", ref.product, ref.version, len(pictures))
            answer = Answer(fault=f"{type(error).__name__}: {error}")
        pipe.send(answer)


def load_detector(path: Path, device: str) -> Runner:
    """The real loader: an artifact, checked and re-scored on `device`."""
    import torch  # noqa: PLC0415 -- only a worker runs torch

    from detector.pipeline import stack  # noqa: PLC0415
    from model_store.artifact import load_artifact  # noqa: PLC0415
    from model_store.backbones import BackboneStore  # noqa: PLC0415
    from model_store.errors import ArtifactError  # noqa: PLC0415

    place = torch.device(device)
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

    return _Detecting(model.golden_delta, score)


@dataclass(frozen=True)
class _Detecting:
    golden_delta: float
    score: Callable[[Pictures], list[Result]]

    def __call__(self, pictures: Pictures) -> list[Result]:
        return self.score(pictures)


def _resident(models: "OrderedDict[str, Runner]", ref: ModelRef, device: str, loader: Loader, limit: int) -> Runner:
    """The model of `ref`, loaded if need be; the one that was not used for the longest time makes room."""
    if ref.digest not in models:
        while len(models) >= limit:
            models.popitem(last=False)
        models[ref.digest] = loader(ref.path, device)
    models.move_to_end(ref.digest)
    return models[ref.digest]
