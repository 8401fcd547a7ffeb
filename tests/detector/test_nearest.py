"""Features as evidence: distance from the nearest that good parts have, wherever these lay."""

import dataclasses

import numpy as np
import pytest
import torch

from detector.build import build_detector, detector_weights, join_parts, load_detector_weights
from detector.errors import CalibrationError, SpecError, WeightsMismatch
from detector.evidence.gaussian import GaussianField
from detector.evidence.nearest import NEIGHBOURS, NearestField, coreset
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, UNetSpec
from tests.reference import maths

NEAREST = FeatureSpec(levels=(0,), dimensions=3, statistics="nearest", bank=300)


def two_materials(count: int = 30) -> torch.Tensor:
    """Three channels on a 4x6 grid: every part is of one of two materials, which are far apart."""
    random = torch.Generator().manual_seed(0)
    levels = torch.tensor([[-4.0, 0.0, 4.0], [4.0, 0.0, -4.0]])
    cells = levels[torch.arange(count) % 2].view(count, 3, 1, 1)
    return cells + 0.3 * torch.randn(count, 3, 4, 6, generator=random)


def fitted(grids: torch.Tensor, spec: FeatureSpec = NEAREST) -> NearestField:
    field = NearestField(spec, channels=grids.shape[1], rows=4, columns=6)
    field.fit([grids], grids.split(7))
    return field


def test_distances_equal_numpy() -> None:
    grids = two_materials()
    field = fitted(grids)
    white = field.space.white(grids[:2]).permute(1, 2, 0).reshape(2, 3, 4, 6).double().numpy()
    expected = maths.nearest(white, field.bank.double().numpy(), neighbours=NEIGHBOURS)
    np.testing.assert_allclose(field(grids[:2]).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_what_lies_between_two_materials_is_far_from_both_and_near_to_their_mean() -> None:
    grids = two_materials()
    between = torch.zeros(1, 3, 4, 6)
    near, pooled = (
        fitted(grids),
        GaussianField(dataclasses.replace(NEAREST, statistics="pooled"), channels=3, rows=4, columns=6),
    )
    pooled.fit([grids], grids.split(7))
    assert near(between).mean() > 2 * near(grids).mean()
    assert pooled(between).mean() < pooled(grids).mean()


def test_a_picture_scores_the_same_bits_alone_and_among_others() -> None:
    grids = two_materials()
    field = fitted(grids)
    together = field(grids)
    assert torch.equal(together, torch.cat([field(single) for single in grids.split(1)]))
    assert torch.equal(together, field(grids.flip(0)).flip(0))


def test_a_window_of_the_grid_is_compared_with_the_same_bank() -> None:
    grids = two_materials()
    field = fitted(grids)
    window = field.inside(slice(1, 3), slice(2, 6))
    torch.testing.assert_close(window(grids[..., 1:3, 2:6]), field(grids)[..., 1:3, 2:6])


def test_the_same_pictures_give_the_same_bank_and_another_batch_size_too() -> None:
    grids = two_materials()
    other = NearestField(NEAREST, channels=3, rows=4, columns=6)
    other.fit([grids], grids.split(3))
    assert torch.equal(fitted(grids).bank, fitted(grids).bank)
    torch.testing.assert_close(other.bank, fitted(grids).bank)


def test_a_coreset_takes_what_is_furthest_from_all_before() -> None:
    vectors = torch.tensor([[0.0], [0.1], [10.0], [10.1], [4.0]])
    assert sorted(vectors[coreset(vectors, 3)].flatten().tolist()) == pytest.approx([0.0, 4.0, 10.1])
    assert len(coreset(vectors, 9)) == 5


def test_few_vectors_fill_a_large_bank_more_than_once() -> None:
    grids = two_materials(2)
    field = fitted(grids, dataclasses.replace(NEAREST, bank=100))
    assert len(field.bank.unique(dim=0)) <= 48
    assert torch.isfinite(field(grids)).all()


def test_features_that_are_no_numbers_have_no_neighbours() -> None:
    with pytest.raises(CalibrationError, match="no distribution"):
        fitted(two_materials() * float("nan"))


@pytest.mark.parametrize("bank", [0, 65_537])
def test_a_bank_without_vectors_or_of_too_many_is_refused(bank: int) -> None:
    with pytest.raises(SpecError, match="bank must be"):
        FeatureSpec(levels=(0,), bank=bank)


def detector_spec() -> DetectorSpec:
    evidence = EvidenceSpec(
        maps=("encoder",), standardise="pooled", encoder=FeatureSpec(levels=(0, 1), stride=8, statistics="nearest")
    )
    return DetectorSpec(
        input=InputSpec(height=32, width=32), unet=UNetSpec(widths=(4, 8)), fader=None, evidence=evidence
    )


def test_a_detector_with_a_bank_scores_the_same_when_its_weights_are_loaded_again() -> None:
    torch.manual_seed(0)
    detector, pictures = build_detector(detector_spec()), torch.rand(6, 3, 32, 32)
    grids = detector.feature_grid(pictures, "encoder")
    detector.evidence.fields["encoder"].fit([grids], [grids])  # type: ignore[operator]
    again = build_detector(detector.spec)
    load_detector_weights(again, detector_weights(detector))
    assert torch.equal(again(pictures).score, detector(pictures).score)


def test_a_bank_that_the_weights_could_not_fill_is_not_allocated() -> None:
    spec = detector_spec()
    encoder = dataclasses.replace(spec.evidence.encoder, bank=65_536)
    spec = dataclasses.replace(spec, evidence=dataclasses.replace(spec.evidence, encoder=encoder))
    with pytest.raises(WeightsMismatch, match="bytes of statistics"):
        join_parts(spec, None, most_bytes=1 << 16)
