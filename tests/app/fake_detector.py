"""A loader without torch: the score of a picture is its mean pixel, so each caller can check that it got its own."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.worker import Pictures, Refused, Result, Runner

SLOW_S = 0.15
TOGETHER = 100


class AcceleratorError(RuntimeError):
    """Torch's, by its name."""


class OutOfMemoryError(RuntimeError):
    """Torch's, by its name."""


AcceleratorError.__module__ = OutOfMemoryError.__module__ = "torch"


@dataclass(frozen=True)
class FakeDetector:
    """White pictures raise; what else happens is said by `path.name`.

    "crash": the process dies over every picture; "fault": the first batch after `path` appeared loses the device;
    "gate": while a file `shut` is in `path`, nothing is done, and a file that is called after the process says so;
    "hang": pictures of level 77 are never done, and those of level 78 in company;
    "poison": pictures of level 66 do; "small": the device has room for one picture at a time; "slow": it takes SLOW_S.
    """

    path: Path
    device: str
    golden_delta: float = 0.0
    engine: str = "mean"

    def __call__(self, pictures: Pictures) -> list[Result]:
        if self.path.name == "crash":
            os._exit(7)
        if self.path.name == "fault" and self.path.is_dir():
            self.path.rmdir()
            raise AcceleratorError("CUDA error: an illegal memory access was encountered")
        if self.path.name == "poison" and any(picture.mean() == 66 for picture in pictures):
            raise AcceleratorError("CUDA error: device-side assert triggered")
        if self.path.name == "hang" and any(
            picture.mean() == 77 or (picture.mean() == 78 and len(pictures) > 1) for picture in pictures
        ):
            time.sleep(3600)
        self._take_time()
        if self.path.name == "small" and len(pictures) > 1:
            raise OutOfMemoryError("CUDA out of memory")
        if any(picture.min() == 255 for picture in pictures):
            raise ValueError("a white picture")
        return [(float(picture.mean()), picture[..., 0].astype(np.float32)) for picture in pictures]

    def _take_time(self) -> None:
        if self.path.name == "slow":
            time.sleep(SLOW_S)
        while self.path.name == "gate" and (self.path / "shut").exists():
            (self.path / str(os.getpid())).touch()
            time.sleep(0.002)

    def together(self, groups: Sequence[tuple[Runner, Pictures]]) -> list[Result]:
        """The score shows that it was together."""
        return [(score + TOGETHER, heatmap) for runner, pictures in groups for score, heatmap in runner(pictures)]


def load_slow(_: Path, device: str) -> FakeDetector:
    """Whatever the version, its detector takes its time."""
    return FakeDetector(Path("slow"), device)


def load_poison(_: Path, device: str) -> FakeDetector:
    """Whatever the version, pictures of level 66 lose the device."""
    return FakeDetector(Path("poison"), device)


def load_first_two(path: Path, device: str) -> FakeDetector:
    """Versions after the second are refused."""
    if int(path.name) > 2:
        raise Refused(f"version {path.name} is not for us")
    return FakeDetector(path, device)


def load_on_cpu(path: Path, _: str) -> FakeDetector:
    """Whatever device is wanted, only the CPU is there."""
    return FakeDetector(path, "cpu")


def load_dying(path: Path, device: str) -> FakeDetector:
    """Loading kills the worker while `sick` lies beside the store."""
    if (path.parents[4] / "sick").exists():
        os._exit(9)
    return FakeDetector(path, device)


def load_fake(path: Path, device: str) -> FakeDetector:
    """`path.name == "refuse"` is refused; "deadly" kills the worker that loads it; "max" is an engine of its own."""
    if path.name == "slow_load":
        time.sleep(1)
    if path.name == "deadly":
        os._exit(8)
    if path.name == "refuse":
        raise Refused(f"nothing loads on {device}")
    return FakeDetector(path, device, engine="max" if path.name == "max" else "mean")
