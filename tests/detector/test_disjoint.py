"""RIAD: disjoint masks, the picture put together, its own score."""

import numpy as np
import pytest
import torch

from detector.build import build_detector
from detector.evidence.evidence import Clues
from detector.pipeline import Detector
from detector.saliency.disjoint import DisjointSaliency, assemble, disjoint_masks
from detector.spec import DetectorSpec, DisjointSpec, EvidenceSpec, InputSpec, SaliencySpec, UNetSpec
from tests.reference import maths

OWNERS = [[1, 2, 2, 1], [2, 0, 0, 1], [0, 2, 1, 2], [0, 1, 0, 0]]
RIAD_SCORE = EvidenceSpec(maps=("msgms",), msgms_scales=4, standardise="none", smooth=21, reduce="max")


def make_detector(*cells: int) -> Detector:
    torch.manual_seed(0)
    spec = DetectorSpec(
        input=InputSpec(height=48, width=64),
        saliency=SaliencySpec(kind="disjoint", hide_as="removed", disjoint=DisjointSpec(cells=cells)),
        unet=UNetSpec(widths=(4, 8, 8)),
        fader=None,
        evidence=RIAD_SCORE,
    )
    return build_detector(spec)


@pytest.mark.parametrize("cell", [2, 4, 8, 16])
@pytest.mark.parametrize("size", [(48, 64), (50, 70)])
def test_every_pixel_is_hidden_exactly_once_and_cells_stay_whole(cell: int, size: tuple[int, int]) -> None:
    masks = disjoint_masks(*size, cell=cell, sets=3, seed=0)
    assert torch.equal(masks.sum(dim=0), torch.ones(1, *size))
    for top, left in np.ndindex(*(-(-side // cell) for side in size)):
        tile = masks[:, 0, top * cell : (top + 1) * cell, left * cell : (left + 1) * cell].flatten(1)
        assert torch.equal(tile.amin(dim=1), tile.amax(dim=1))


def test_the_sets_are_equally_large() -> None:
    counts = disjoint_masks(64, 64, cell=8, sets=3, seed=0).sum(dim=(1, 2, 3)) / 64
    assert sorted(counts.tolist()) == [21, 21, 22]


def test_a_seed_deals_the_same_cells_on_every_machine() -> None:
    owners = disjoint_masks(8, 8, cell=2, sets=3, seed=0)[:, 0, ::2, ::2].argmax(dim=0)
    assert owners.tolist() == OWNERS


def test_another_seed_deals_other_cells() -> None:
    assert not torch.equal(
        disjoint_masks(64, 64, cell=4, sets=3, seed=0), disjoint_masks(64, 64, cell=4, sets=3, seed=1)
    )


def test_each_pixel_is_taken_from_the_pass_that_did_not_see_it() -> None:
    masks, pictures = disjoint_masks(16, 16, cell=4, sets=3, seed=0), torch.rand(2, 3, 16, 16)
    seen = assemble(pictures, masks, lambda hints, mask: hints * (1 - mask))
    assert torch.count_nonzero(seen) == 0
    assert torch.equal(assemble(pictures, masks, lambda hints, _: hints), pictures)


def test_removed_pixels_are_0_and_the_others_untouched() -> None:
    detector, pictures = make_detector(8), torch.rand(1, 3, 48, 64) + 0.1
    explanation = detector.explain(pictures)
    hidden = explanation.mask.expand_as(pictures) == 1
    assert explanation.hint[hidden].abs().max() == 0
    assert torch.equal(explanation.hint[~hidden], pictures[~hidden])


@torch.no_grad()
def test_the_score_is_the_peak_of_the_mean_filtered_mean_over_the_cell_sides() -> None:
    detector, pictures = make_detector(2, 8), torch.rand(1, 3, 48, 64)
    maps = []
    for masks in torch.stack([disjoint_masks(48, 64, cell=cell, sets=3, seed=0) for cell in (2, 8)]):
        parts = [detector.unet(pictures * (1 - mask), detector.unet.open_gates()) * mask for mask in masks]
        maps.append(detector.evidence.raw(Clues(pictures, sum(parts)[None], {}))[0, 0].double().numpy())  # type: ignore[index]
    expected = maths.mean_filter(np.mean(maps, axis=0), 21)
    anomaly = detector(pictures)
    np.testing.assert_allclose(anomaly.heatmap[0].numpy(), expected, atol=1e-5)
    assert anomaly.score.item() == pytest.approx(expected.max(), abs=1e-5)


def test_a_score_does_not_depend_on_what_else_is_in_the_batch() -> None:
    detector, pictures = make_detector(2, 4, 8, 16), torch.rand(5, 3, 48, 64)
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    torch.testing.assert_close(detector(pictures).score, alone, atol=1e-6, rtol=0)


def test_masks_take_their_turn_where_one_for_each_picture_is_asked_for() -> None:
    saliency = DisjointSaliency(DisjointSpec(cells=(2, 4)), height=32, width=32)
    masks = saliency.cycle(7)
    assert torch.equal(masks[6], masks[0])
    assert torch.equal(masks[:3].sum(dim=0), torch.ones(1, 32, 32))


def test_no_mask_is_among_the_weights() -> None:
    assert not [name for name in make_detector(4).state_dict() if name.startswith("saliency")]
