"""The process that owns one device: models in memory, pictures in, scores out.

In, through one pipe: `ToScore`; through another, for a second thread, so that a load holds up nobody: `ToLoad`. Out,
through the same pipe: `Answer`.
Exits when the pipes close, so it never outlives the service, and with EXIT_CODE when its device is lost.
The only module here that imports torch.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread, current_thread, get_native_id, main_thread
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from app.device_faults import EXIT_CODE, is_device_fault, is_out_of_memory
from app.work import ModelRef
from detector.heap import keep_freed_memory

if TYPE_CHECKING:
    import torch

    from detector.pipeline import Detector

log = logging.getLogger(__name__)

SWITCH_S = 0.0005  # for which a thread that loads may hold Python's lock while one that scores wants it; 0.005 is usual
GIVING_WAY = 5  # niceness of a worker beyond that of the service, and of its thread that loads beyond that once more
LEAST_PRIORITY = 19
MOST_ON_CPU = 8
"""Pictures that are scored at once: up to here a score is that of the picture alone to 1e-6 of the larger of 1 and it,
where features of a backbone alone decide to the bit; and more gain nothing."""

Pictures = Sequence[npt.NDArray[np.uint8]]
Result = tuple[float, npt.NDArray[np.float32]]
EngineChoice = Literal["auto", "onnx", "folded", "reference"]


class Runner(Protocol):
    """A loaded model."""

    @property
    def golden_delta(self) -> float:
        """Largest |Δscore| of its golden pictures against export."""

    @property
    def device(self) -> str:
        """Where it is; the CPU where it was to be on a CUDA device and there is none."""

    @property
    def engine(self) -> str:
        """How it is computed."""

    def __call__(self, pictures: Pictures) -> list[Result]:
        """Score and heatmap (H,W) of each picture (H,W,3) uint8."""


@runtime_checkable
class Joining(Runner, Protocol):
    """A model that computes what it shares with others only once for all their pictures."""

    def together(self, groups: "Sequence[tuple[Runner, Pictures]]") -> list[Result]:
        """Results of all pictures in order; the models are of one `ModelRef.sight`, this one the first of them."""


Loader = Callable[[Path, str], Runner]


@dataclass(frozen=True)
class ToLoad:
    """A model, and the digests of those that must go first."""

    model: ModelRef
    gone: Sequence[str]

    def __str__(self) -> str:
        return str(self.model)


@dataclass(frozen=True)
class ToScore:
    """One batch: pictures (H,W,3) uint8 of models that are loaded and, where there are several, seen alike."""

    groups: Sequence[tuple[ModelRef, Pictures]]

    def __str__(self) -> str:
        return ", ".join(str(model) for model, _ in self.groups)


class Refused(Exception):
    """A loader refuses this version; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What comes back for one batch, or one load."""

    results: tuple[Result, ...] = ()
    """Per picture."""
    golden_delta: float = 0.0
    refused: str | None = None
    """Why the loader refused the version."""
    fault: str | None = None
    """What loading or scoring raised beyond that; of several pictures, any may be the cause."""
    out_of_memory: bool = False
    """Whether the fault is that the device had no room; fewer pictures may fit."""
    device: str | None = None
    """Where the model really is."""
    engine: str | None = None
    """How it is computed."""


Models = dict[str, Runner]


def work(scores: Connection, loads: Connection, device: str, loader: Loader, threads: int) -> None:
    """Answer until the pipes close, or until the device is lost: then nothing is answered any more.

    `threads`: CPU threads of one computation.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nor SIGTERM, as supervisors send it; the end of a pipe ends this
    models: Models = {}

    def load(order: ToLoad) -> Answer:
        for digest in order.gone:
            models.pop(digest, None)
        runner = models[order.model.digest] = loader(order.model.path, device)
        return Answer(golden_delta=runner.golden_delta, device=runner.device, engine=runner.engine)

    def score(order: ToScore) -> Answer:
        groups = [(models[model.digest], pictures) for model, pictures in order.groups]
        first, engines = groups[0][0], {runner.engine for runner, _ in groups}
        if len(groups) > 1 and len(engines) == 1 and isinstance(first, Joining):
            return Answer(tuple(first.together(groups)))
        return Answer(tuple(result for runner, pictures in groups for result in runner(pictures)))

    if "OMP_NUM_THREADS" not in os.environ:
        _use_threads(threads)
    _give_way()  # to the service, which has to answer, and to refuse, while every core computes
    keep_freed_memory()
    sys.setswitchinterval(SWITCH_S)
    Thread(target=_answer_behind, args=(loads, load), daemon=True).start()
    _answer(scores, score)
    os._exit(0)  # the service wants no more; torch's own threads do not survive an orderly end of Python's


def _answer_behind(pipe: Connection, serve: Callable[[Any], Answer]) -> None:
    """The same, and whatever scores comes first."""
    _give_way()
    _answer(pipe, serve)


def _give_way() -> None:
    """On Linux a thread has a priority of its own, which those that it starts begin with."""
    if sys.platform == "linux":
        thread = get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + GIVING_WAY
        os.setpriority(os.PRIO_PROCESS, thread, min(LEAST_PRIORITY, niceness))


def _use_threads(count: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(count)  # of a torch that the loader imports
    if (torch := sys.modules.get("torch")) is not None:  # which app/nursery.py has done
        torch.set_num_threads(count)


def _answer(pipe: Connection, serve: Callable[[Any], Answer]) -> None:
    """Answer every message; what raises is answered too."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = serve(message)
        except Refused as refusal:
            answer = Answer(refused=str(refusal))
        except Exception as error:
            log.exception("%s: %s", message, type(error).__name__)
            if is_device_fault(error):
                os._exit(EXIT_CODE)  # no clean-up: it would call into the lost device, and may hang there
            answer = Answer(fault=f"{type(error).__name__}: {error}", out_of_memory=is_out_of_memory(error))
        if answer.out_of_memory:  # here, where the error no longer holds the tensors of its batch
            _empty_cache()
        pipe.send(answer)


def load_detector(path: Path, device: str, engine: EngineChoice = "auto") -> Runner:
    """The real loader: an artifact, checked and re-scored on `device`."""
    import torch  # noqa: PLC0415 -- only a worker runs torch

    from model_store.backbones import BackboneStore  # noqa: PLC0415
    from model_store.engines import load_on_engine  # noqa: PLC0415
    from model_store.errors import ArtifactError  # noqa: PLC0415

    cuda_is_missing = device.startswith("cuda") and not torch.cuda.is_available()
    if cuda_is_missing:
        log.error("%s is wanted and CUDA is not there: %s runs on the CPU", device, path)
    place, threads = torch.device("cpu" if cuda_is_missing else device), _scoring_threads()
    if current_thread() is not main_thread():
        # of this thread: OpenMP has the teams of two threads take turns, at three times the cost
        torch.set_num_threads(1)
    try:
        model = load_on_engine(path, BackboneStore(path.parents[3] / "backbones"), place, engine)
    except ArtifactError as exc:
        raise Refused(f"{type(exc).__name__}: {exc}") from exc
    return _Detecting(model.golden_delta, place, model.detector, model.detector.engine, threads)


@cache
def _scoring_threads() -> int:
    """CPU threads of one computation; first asked before the thread that loads gets by with one."""
    import torch  # noqa: PLC0415

    return torch.get_num_threads()


@dataclass(frozen=True)
class _Detecting:
    """A detector on its device."""

    golden_delta: float
    place: "torch.device"
    detector: "Detector"
    engine: str
    threads: int

    @property
    def device(self) -> str:
        return str(self.place)

    def __call__(self, pictures: Pictures) -> list[Result]:
        step = MOST_ON_CPU if self.place.type == "cpu" else len(pictures)
        starts = range(0, len(pictures), step)
        return [result for start in starts for result in self.together([(self, pictures[start : start + step])])]

    def together(self, groups: "Sequence[tuple[Runner, Pictures]]") -> list[Result]:
        import torch  # noqa: PLC0415

        from detector.pipeline import score_together, stack  # noqa: PLC0415

        torch.set_num_threads(self.threads)  # of this thread; the one that loads has said otherwise for itself
        of_this_kind = cast("Sequence[tuple[_Detecting, Pictures]]", groups)
        anomalies = score_together([(it.detector, stack(pictures, self.place)) for it, pictures in of_this_kind])
        results: list[Result] = []
        for anomaly in anomalies:
            results += zip(anomaly.score.double().tolist(), anomaly.heatmap.cpu().numpy(), strict=True)
        return results


def _empty_cache() -> None:
    """Give unused device memory back, so that fewer pictures fit."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.cuda.empty_cache()
