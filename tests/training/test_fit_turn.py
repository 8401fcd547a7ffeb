"""Where edges of good parts stand is learnt from parts that lie anyhow; where none is turned, none is turned back."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from detector.pipeline import stack
from detector.spec import AlignSpec
from detector.turn import Turner, thumbnails
from training.config import TrainConfig, parse_config
from training.fit_align import fit_alignment, moved
from training.fit_turn import fit_turner
from training.rebuild import Pictures

CPU = torch.device("cpu")
SIZE = 64
ANY = AlignSpec(reach=8, turn=180)


def config(turn: float | str, use: str = "auto") -> TrainConfig:
    align = {"use": use, "reach": 0.125, "turn": turn}
    sizes = {"height": SIZE, "width": SIZE}
    return parse_config({"product": "p", "data": ".", "input": sizes, "align": align}, what="test")


def plates(count: int, turn: float, seed: int = 0) -> tuple[Pictures, np.ndarray]:
    """Noisy plates that are turned by up to `turn` degrees and shifted by up to 2 px, and their angles."""
    random = np.random.default_rng(seed)
    plate = np.full((SIZE, SIZE), 30.0)
    plate[14:50, 18:46] = 150
    plate[20:26, 22:42] = 210
    plate[34:42, 32:40] = 60
    angles = random.uniform(-turn, turn, count)
    pictures = []
    for angle in angles:
        shifted = ndimage.shift(plate, random.uniform(-2, 2, 2), order=1, mode="nearest")
        turned = ndimage.rotate(shifted, angle, reshape=False, order=1, mode="nearest")
        pictures.append((turned + random.normal(0, 6, plate.shape)).clip(0, 255))
    return np.repeat(np.stack(pictures).astype(np.uint8)[..., None], 3, axis=3), angles


@cache
def of_any_turn() -> Turner:
    """Learnt from 20 parts that lie anyhow."""
    return fit_turner(ANY, plates(20, 180)[0], CPU)


def errors(turner: Turner, pictures: Pictures, angles: np.ndarray) -> np.ndarray:
    """Degrees by which angles are wrong, but for the angle at which the mean part happens to lie."""
    found = np.degrees(turner.poses(thumbnails(stack(list(pictures), CPU)))[:, 0].numpy())
    wrong = found + angles  # SciPy turns the other way
    return np.abs((wrong - wrong[0] + 180) % 360 - 180)


def test_angles_of_good_parts_are_found_without_being_told_how_one_should_lie() -> None:
    assert errors(of_any_turn(), *plates(20, 180)).max() < 2


def test_small_angles_are_found_by_a_fan_that_is_no_wider() -> None:
    pictures, angles = plates(20, 10)
    assert errors(fit_turner(AlignSpec(reach=8, turn=15), pictures, CPU), pictures, angles).max() < 2


def test_turned_parts_lie_alike_once_they_are_moved() -> None:
    pictures, _ = plates(20, 180)
    placed = moved(of_any_turn(), pictures)
    inner = (slice(None), slice(16, 48), slice(16, 48))
    assert (placed.shape, placed.dtype) == (pictures.shape, np.uint8)
    assert placed[inner].std(axis=0).mean() < 0.5 * pictures[inner].std(axis=0).mean()


@pytest.mark.parametrize(("turn", "taken"), [(0, None), (10, 15), (180, 180)])
def test_auto_turns_parts_by_no_more_than_good_ones_need(turn: float, taken: float | None) -> None:
    pictures, _ = plates(16, turn)
    alignment = fit_alignment(config("auto"), pictures[:12], pictures[12:], CPU, stretch=1.0)
    spec = None if alignment.aligner is None else alignment.aligner.spec
    assert (None if spec is None or not spec.turn else spec.turn) == taken
    assert alignment.turn_gain is not None


def test_a_texture_without_a_direction_is_left_alone() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (16, SIZE, SIZE, 3), np.uint8)
    alignment = fit_alignment(config("auto"), pictures[:12], pictures[12:], CPU, stretch=1.0)
    assert alignment.aligner is None


def test_a_configuration_that_says_so_is_obeyed_without_a_measurement() -> None:
    pictures, _ = plates(8, 0)
    alignment = fit_alignment(config(20, use="on"), pictures, pictures, CPU, stretch=2.0)
    assert alignment.aligner is not None
    assert alignment.aligner.spec == AlignSpec(reach=8, turn=20, stretch=2.0)
    assert alignment.turn_gain is None


def test_without_turns_parts_are_shifted_as_before() -> None:
    pictures, _ = plates(24, 5)
    alignment = fit_alignment(config(0), pictures, pictures, CPU, stretch=1.0)
    assert alignment.turn_gain is None
    assert not isinstance(alignment.aligner, Turner)


def test_the_same_pictures_teach_the_same_edges() -> None:
    again = fit_turner(ANY, plates(20, 180)[0], CPU)
    assert torch.equal(again.edges, of_any_turn().edges)
