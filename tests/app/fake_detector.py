"""A loader without torch: the score of a picture is its mean pixel, so each caller can check that it got its own."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.worker import Pictures, Refused, Result


@dataclass(frozen=True)
class FakeDetector:
    """White pictures raise; with `path.name == "crash"` the process dies over every picture."""

    path: Path
    golden_delta: float = 0.0

    def __call__(self, pictures: Pictures) -> list[Result]:
        if self.path.name == "crash":
            os._exit(7)
        if any(picture.min() == 255 for picture in pictures):
            raise ValueError("a white picture")
        return [(float(picture.mean()), picture[..., 0].astype(np.float32)) for picture in pictures]


def load_fake(path: Path, device: str) -> FakeDetector:
    """`path.name == "refuse"` is refused."""
    if path.name == "refuse":
        raise Refused(f"nothing loads on {device}")
    return FakeDetector(path)
