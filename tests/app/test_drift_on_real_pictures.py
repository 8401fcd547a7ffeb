"""A lamp that fades and a supplier that changes, simulated on real pictures: the right alarm, and not the other.

The score here is a stand-in that both can move: how far the cells of a picture are from those of good ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from app.drift import Cause, Monitor
from app.ledger.past import PastPart
from detector.calibration import Calibration, calibrate
from detector.image_health import HealthReference, measure, summarise

DATA = Path(__file__).parents[3] / "shared/data"
Picture = npt.NDArray[np.uint8]
Change = Callable[[Picture, float], Picture]
CELLS = 12


@cache
def pictures(product: str) -> list[Picture]:
    """280 good ones, in a drawn order."""
    files = sorted((DATA / product / "train/good").glob("*"))
    if len(files) < 280:
        pytest.skip(f"{DATA / product} is not here")
    chosen = np.random.default_rng(0).permutation(len(files))[:280]
    return [np.asarray(Image.open(files[place]).convert("RGB")) for place in chosen]


def cells(picture: Picture) -> npt.NDArray[np.float64]:
    """Mean and roughness of each cell."""
    grey = picture[..., 0].astype(float)
    height, width = (side // CELLS for side in grey.shape)
    tiles = grey[: height * CELLS, : width * CELLS].reshape(CELLS, height, CELLS, width)
    return np.concatenate((tiles.mean((1, 3)).ravel(), tiles.std((1, 3)).ravel()))


class Trained:
    """A stand-in for a product: what is normal, thresholds and health from pictures of their own."""

    def __init__(self, product: str) -> None:
        train, self.line = pictures(product)[:180], pictures(product)[180:]
        table = np.array([cells(picture) for picture in train[:90]])
        self._mean, self._std = table.mean(0), table.std(0) + 1
        scores = [self.score(picture) for picture in train[90:]]
        self.calibration: Calibration = calibrate(scores, promise=0.02, review_rate=0.03, map_floor=0)
        self.health: HealthReference = summarise([measure(Image.fromarray(picture)) for picture in train[90:]])

    def score(self, picture: Picture) -> float:
        return float(np.sort(np.abs((cells(picture) - self._mean) / self._std))[-20:].mean())


@cache
def trained(product: str) -> Trained:
    return Trained(product)


def causes(product: str, change: Change, parts: int) -> Iterator[Cause]:
    """What the monitor says after each fifth part of a line that changes a little with each, fully at the end."""
    model = trained(product)
    monitor = Monitor(model.calibration, model.health, 0.02)
    for part in range(parts):
        picture = change(model.line[part % len(model.line)], part / parts)
        health = astuple(measure(Image.fromarray(picture)))
        monitor.add(PastPart(0, None, model.score(picture), model.calibration.revision, *health))
        if part % 5 == 4:
            yield monitor.report("", 1).cause


def fade(picture: Picture, progress: float) -> Picture:
    return np.asarray(picture * (1 - 0.5 * progress), np.uint8)


def brighten(picture: Picture, progress: float) -> Picture:
    return np.asarray(np.minimum(255, picture * (1 + 1.2 * progress)), np.uint8)


def soften(picture: Picture, progress: float) -> Picture:
    """A smoother surface, from one delivery to the next."""
    return np.asarray(gaussian_filter(picture, (3, 3, 0)), np.uint8) if progress > 0.3 else picture


def roughen(picture: Picture, progress: float) -> Picture:
    """A coarser surface of the same brightness."""
    if progress <= 0.3:
        return picture
    grain = gaussian_filter(np.random.default_rng(5).normal(size=picture.shape[:2]), 1.0)[..., None]
    return np.asarray(np.clip(picture + 70 * grain, 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("product", "change"),
    [
        ("solar-mono", fade),
        ("magnetic-tile", fade),
        ("solar-mono", brighten),
        pytest.param("magnetic-tile", brighten, marks=pytest.mark.slow),
    ],
)
def test_a_lamp_that_changes_is_the_lamp_and_never_the_product(product: str, change: Change) -> None:
    said = list(causes(product, change, 200))
    assert said[-1] == "lamp"
    assert "product" not in said


@pytest.mark.parametrize(
    ("product", "change"),
    [
        ("solar-mono", soften),
        ("magnetic-tile", roughen),
        pytest.param("solar-mono", roughen, marks=pytest.mark.slow),
        pytest.param("magnetic-tile", soften, marks=pytest.mark.slow),
    ],
)
def test_another_surface_under_the_same_lamp_is_the_product_and_never_the_lamp(product: str, change: Change) -> None:
    said = list(causes(product, change, 200))
    assert said[-1] == "product"
    assert "lamp" not in said


@pytest.mark.parametrize("product", ["solar-mono", "magnetic-tile"])
def test_good_parts_of_the_calibrated_kind_raise_nothing(product: str) -> None:
    assert set(causes(product, lambda picture, _: picture, 200)) == {"none"}
