"""Fusion weights: chosen on synthetic defects, without a label."""

import numpy as np
import pytest
import torch

from detector.build import build_detector, detector_weights, load_detector_weights
from detector.evidence.reduce import fuse
from detector.pipeline import Detector
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, UNetSpec
from training.fit_evidence import fit_evidence
from training.fit_fusion import Trial, choose_weights, drop_idle_maps, fit_fusion
from training.sample import draw_part

SPEC = EvidenceSpec(maps=("msgms", "l1"))


def trial(strength: tuple[float, float]) -> Trial:
    """Noise, with a square in the damaged pictures that the two maps see with these strengths."""
    random = torch.Generator().manual_seed(0)
    good, damaged = (torch.randn(40, 2, 16, 16, generator=random) for _ in range(2))
    masks = np.zeros((40, 16, 16), bool)
    masks[:, 4:8, 4:8] = True
    damaged[:, :, 4:8, 4:8] += torch.tensor(strength).view(2, 1, 1)
    return Trial(good, damaged, masks)


def make_detector() -> Detector:
    torch.manual_seed(0)
    encoder = FeatureSpec(levels=(0, 1), stride=8)
    evidence = EvidenceSpec(maps=("msgms", "l1", "encoder"), encoder=encoder)
    return build_detector(
        DetectorSpec(input=InputSpec(height=64, width=64), unet=UNetSpec(widths=(4, 8)), fader=None, evidence=evidence)
    )


def test_a_map_that_finds_nothing_counts_for_nothing() -> None:
    assert choose_weights(trial((0.0, 3.0)), SPEC).tolist() == [0.0, 1.0]


def test_two_maps_that_help_each_other_both_count() -> None:
    weights = choose_weights(trial((1.2, 1.2)), SPEC)
    assert weights.min() > 0
    assert weights.sum().item() == pytest.approx(1)


def test_a_weighted_map_is_the_weighted_sum() -> None:
    maps = torch.rand(2, 3, 4, 4)
    expected = 0.5 * maps[:, 0] + 0.25 * maps[:, 1] + 0.25 * maps[:, 2]
    torch.testing.assert_close(fuse(maps, "weighted", torch.tensor([0.5, 0.25, 0.25])), expected)


def test_statistics_and_weights_come_from_good_pictures_and_the_same_seed_gives_the_same() -> None:
    random = np.random.default_rng(0)
    pictures = np.stack([draw_part(random, None, 64)[0] for _ in range(24)])
    chosen = []
    for _ in range(2):
        detector = make_detector()
        fit_evidence(detector, pictures[:12], pictures[12:])
        fit_fusion(detector, pictures[12:], seed=3)
        chosen.append(detector.evidence.weights)
    assert torch.equal(*chosen)
    assert chosen[0].sum().item() == pytest.approx(1)
    assert torch.isfinite(detector(torch.rand(1, 3, 64, 64)).score).all()


def test_evidence_that_counts_for_nothing_is_dropped_and_no_score_moves() -> None:
    detector, pictures = make_detector(), torch.rand(3, 3, 64, 64)
    detector.evidence.weights.copy_(torch.tensor([0.0, 0.0, 1.0]))
    before = detector(pictures)
    drop_idle_maps(detector)
    assert detector.spec.evidence.maps == ("encoder",)
    torch.testing.assert_close(detector(pictures).heatmap, before.heatmap)
    again = build_detector(detector.spec)
    load_detector_weights(again, detector_weights(detector))
    assert torch.equal(again(pictures).score, detector(pictures).score)
