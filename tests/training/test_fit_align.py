"""Whether parts are moved is decided on good pictures, and what is fitted sees them in place."""

import numpy as np
import pytest
import torch

from detector.spec import AlignSpec
from training.config import TrainConfig, parse_config
from training.fit_align import fit_aligner, fit_alignment, gain, moved, offsets_of
from training.rebuild import Pictures

CPU = torch.device("cpu")
SIZE = 64


def config(use: str, turn: float = 0.0) -> TrainConfig:
    sizes = {"height": SIZE, "width": SIZE}
    return parse_config(
        {"product": "p", "data": ".", "input": sizes, "align": {"use": use, "reach": 0.125, "turn": turn}}, what="test"
    )


def plates(count: int, reach: int, seed: int = 0) -> tuple[Pictures, np.ndarray]:
    """Noisy plates that lie up to `reach` px from the middle, and where."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 40, (count, SIZE, SIZE, 3), np.uint8)
    offsets = random.integers(-reach, reach + 1, (count, 2))
    for picture, (down, right) in zip(pictures, offsets, strict=True):
        picture[14 + down : 50 + down, 16 + right : 46 + right] += 120
        picture[20 + down : 26 + down, 20 + right : 42 + right] += 60
    return pictures, offsets


def texture(count: int, seed: int = 0) -> Pictures:
    return np.random.default_rng(seed).integers(0, 255, (count, SIZE, SIZE, 3), np.uint8)


def test_shifts_of_good_parts_are_found_without_being_told_where_one_should_lie() -> None:
    pictures, offsets = plates(24, 4)
    found = offsets_of(fit_aligner(AlignSpec(reach=8), pictures, CPU), pictures).numpy()
    assert np.abs(found - offsets - np.median(found - offsets, axis=0)).max() <= 1


def test_moved_parts_lie_alike() -> None:
    pictures, _ = plates(24, 4)
    placed = moved(fit_aligner(AlignSpec(reach=8), pictures, CPU), pictures)
    assert placed.shape == pictures.shape
    assert placed.std(axis=0).mean() < 0.8 * pictures.std(axis=0).mean()


@pytest.mark.parametrize(("reach", "is_moved"), [(4, True), (0, False)])
def test_parts_are_moved_where_they_arrive_shifted_and_only_there(reach: int, *, is_moved: bool) -> None:
    pictures, _ = plates(32, reach)
    alignment = fit_alignment(config("auto"), pictures[:24], pictures[24:], CPU, stretch=1.0)
    assert (alignment.aligner is not None) == is_moved
    assert alignment.gain is not None


def test_a_texture_without_a_place_is_left_alone() -> None:
    alignment = fit_alignment(config("auto"), texture(24), texture(8, seed=1), CPU, stretch=1.0)
    assert alignment.aligner is None
    pictures = texture(2, seed=2)
    assert alignment.moved(pictures) is pictures


def test_a_configuration_that_says_so_is_obeyed_without_a_measurement() -> None:
    pictures, _ = plates(8, 0)
    assert fit_alignment(config("on"), pictures, pictures, CPU, stretch=1.0).aligner is not None
    assert fit_alignment(config("off"), pictures, pictures, CPU, stretch=1.0).aligner is None


def test_flat_pictures_gain_nothing() -> None:
    flat = np.full((4, SIZE, SIZE, 3), 90, np.uint8)
    assert gain(fit_aligner(AlignSpec(reach=4), flat, CPU), flat, flat) == 0.0
