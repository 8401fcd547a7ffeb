"""Per location, pooled or nearest: whichever finds synthetic defects in held-out good pictures best."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from detector.build import build_detector, detector_weights, load_detector_weights
from detector.pipeline import Detector
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, Statistics, UNetSpec
from training.choose_statistics import FEWEST, MARGIN, best_kind, choose_statistics, kinds_for, with_statistics
from training.rebuild import Pictures

SIZE = 64
ENCODER = EvidenceSpec(maps=("encoder",), encoder=FeatureSpec(levels=(0, 1), stride=8, dimensions=12))


def make_detector(evidence: EvidenceSpec) -> Detector:
    torch.manual_seed(0)
    size = InputSpec(height=SIZE, width=SIZE)
    return build_detector(DetectorSpec(input=size, unet=UNetSpec(widths=(4, 8)), fader=None, evidence=evidence))


def stripes(count: int) -> Pictures:
    """A coarse and a plain half, in the same place on every part."""
    random = np.random.default_rng(0)
    drawn = np.where(np.arange(SIZE) < SIZE // 2, np.arange(SIZE) // 8 % 2 * 150, 60)[:, None, None]
    return (drawn + random.integers(0, 20, (count, SIZE, SIZE, 3))).astype(np.uint8)


def dusty(count: int) -> Pictures:
    """Plain parts with three specks that may lie anywhere."""
    random = np.random.default_rng(0)
    pictures = random.integers(100, 110, (count, SIZE, SIZE, 3), np.uint8)
    for picture in pictures:
        for row, column in random.integers(0, SIZE - 2, (3, 2)):
            picture[row : row + 2, column : column + 2] += 60
    return pictures


def in_any_pose(count: int) -> Pictures:
    """Two materials that meet at an edge, at any angle and any place."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    pictures = []
    for angle, at in random.uniform((0, -0.4), (2 * np.pi, 0.4), (count, 2)):
        beyond = (x * np.cos(angle) + y * np.sin(angle) > at)[..., None]
        pictures.append(np.where(beyond, [200, 60, 60], [60, 60, 200]) + random.integers(0, 20, (SIZE, SIZE, 3)))
    return np.stack(pictures).astype(np.uint8)


def test_parts_that_lie_alike_are_measured_per_location() -> None:
    detector, pictures = make_detector(ENCODER), stripes(60)
    marks = choose_statistics(detector, pictures[:40], pictures[40:], seed=0)
    assert detector.spec.evidence.encoder.statistics == "per-location"
    assert detector.spec.evidence.standardise == "per-location"
    assert marks["per-location"] > marks["pooled"]


def test_what_may_lie_anywhere_is_pooled() -> None:
    detector, pictures = make_detector(EvidenceSpec(maps=("msgms",))), dusty(24)
    marks = choose_statistics(detector, pictures[:8], pictures[8:], seed=0)
    assert marks["pooled"] > marks["per-location"] + MARGIN
    assert detector.spec.evidence.standardise == "pooled"
    assert detector.evidence.spec == detector.spec.evidence
    again = build_detector(detector.spec)
    load_detector_weights(again, detector_weights(detector))
    picture = torch.rand(1, 3, SIZE, SIZE)
    assert torch.equal(again(picture).score, detector(picture).score)


def test_parts_in_any_pose_are_compared_with_their_nearest_neighbours() -> None:
    encoder = replace(ENCODER.encoder, bank=300)
    detector, pictures = make_detector(replace(ENCODER, encoder=encoder)), in_any_pose(60)
    marks = choose_statistics(detector, pictures[:40], pictures[40:], seed=0)
    assert marks["nearest"] > max(marks["pooled"], marks["per-location"]) + MARGIN
    assert detector.spec.evidence.encoder.statistics == "nearest"
    again = build_detector(detector.spec)
    load_detector_weights(again, detector_weights(detector))
    picture = torch.rand(1, 3, SIZE, SIZE)
    assert torch.equal(again(picture).score, detector(picture).score)


@pytest.mark.parametrize(
    ("evidence", "held_out"), [(EvidenceSpec(maps=("msgms",), standardise="none"), FEWEST), (ENCODER, FEWEST - 1)]
)
def test_raw_residuals_or_a_few_pictures_leave_nothing_to_choose(evidence: EvidenceSpec, held_out: int) -> None:
    detector, pictures = make_detector(evidence), stripes(3 + held_out)
    assert choose_statistics(detector, pictures[:3], pictures[3:], seed=0) == {}
    assert detector.spec.evidence == evidence


@pytest.mark.parametrize(
    ("marks", "best"),
    [
        ({"pooled": 0.80, "per-location": 0.80, "nearest": 0.80 + MARGIN / 2}, "per-location"),
        ({"pooled": 0.83, "per-location": 0.80, "nearest": 0.825}, "nearest"),
        ({"pooled": 0.85, "per-location": 0.80, "nearest": 0.82}, "pooled"),
        ({"pooled": 0.83, "per-location": 0.80, "nearest": 0.84}, "nearest"),
        ({"pooled": 0.80 + MARGIN / 2, "per-location": 0.80}, "per-location"),
    ],
)
def test_another_kind_is_taken_where_it_beats_the_one_before_by_the_margin(
    marks: dict[Statistics, float], best: Statistics
) -> None:
    assert best_kind(marks) == best


def test_residuals_have_no_neighbours() -> None:
    spec = make_detector(EvidenceSpec(maps=("msgms",))).spec
    assert kinds_for(spec) == ("per-location", "pooled")
    near = with_statistics(spec, "nearest").evidence
    assert (near.standardise, near.encoder.statistics) == ("pooled", "nearest")
