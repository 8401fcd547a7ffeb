"""Registration: shifts are found as a slow loop finds them, parts come back in the pixels that were sent."""

import numpy as np
import pytest
import torch
from torch import Tensor

from detector.align import Aligner, orientations
from detector.build import build_detector, detector_weights, load_detector_weights
from detector.motion import Shift
from detector.pipeline import Detector
from detector.spec import AlignSpec, DetectorSpec, EvidenceSpec, InputSpec, UNetSpec

SIZE, REACH = 64, 8


def part(down: int = 0, right: int = 0, light: float = 1.0) -> Tensor:
    """A plate with a bar and a hole on a dark ground: (1,3,H,W)."""
    picture = torch.full((1, 3, SIZE, SIZE), 0.1)
    picture[:, :, 14 + down : 50 + down, 16 + right : 46 + right] = 0.7
    picture[:, :, 20 + down : 24 + down, 20 + right : 42 + right] = 0.3
    picture[:, :, 34 + down : 42 + down, 30 + right : 36 + right] = 0.0
    return picture * light


def fitted() -> Aligner:
    aligner = Aligner(AlignSpec(reach=REACH), height=SIZE, width=SIZE)
    aligner.edges.copy_(torch.view_as_real(orientations(part())[0]).permute(2, 0, 1))
    return aligner


def make_detector(reduce: str = "top-mean") -> Detector:
    torch.manual_seed(0)
    evidence = EvidenceSpec(maps=("l1",), standardise="none", reduce=reduce)  # type: ignore[arg-type]
    spec = DetectorSpec(
        input=InputSpec(height=SIZE, width=SIZE),
        mosaic_scale=4,
        unet=UNetSpec(widths=(4, 8)),
        fader=None,
        evidence=evidence,
        align=AlignSpec(reach=REACH),
    )
    detector = build_detector(spec)
    assert detector.aligner is not None
    detector.aligner.load_state_dict(fitted().state_dict())
    return detector


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 8), (1, 0)])
def test_a_shift_within_reach_is_found_under_another_lamp(shift: tuple[int, int]) -> None:
    assert fitted().offsets(part(*shift, light=0.6)).tolist() == [list(shift)]


def test_the_shift_is_the_one_that_a_slow_search_finds() -> None:
    random = np.random.default_rng(0)
    picture = part(-4, 6) + torch.from_numpy(random.normal(0, 0.1, (1, 3, SIZE, SIZE))).float()
    field, reference = orientations(picture)[0].numpy(), orientations(part())[0].numpy()
    best = (-np.inf, (0, 0))
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            here = field[max(0, down) : SIZE + min(0, down), max(0, right) : SIZE + min(0, right)]
            there = reference[max(0, -down) : SIZE - max(0, down), max(0, -right) : SIZE - max(0, right)]
            best = max(best, (float((here * there.conj()).real.mean()), (down, right)))
    assert fitted().offsets(picture).tolist() == [list(best[1])]


@pytest.mark.parametrize("picture", [torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 3, SIZE, SIZE)])
def test_a_flat_picture_stays_where_it_is(picture: Tensor) -> None:
    assert fitted().offsets(picture).tolist() == [[0, 0]]


def test_before_it_is_fitted_every_part_stays_where_it_is() -> None:
    assert Aligner(AlignSpec(reach=REACH), height=SIZE, width=SIZE).offsets(part(3, 3)).tolist() == [[0, 0]]


def test_a_part_beyond_reach_is_moved_no_further_than_reach() -> None:
    assert fitted().offsets(part(13, -12)).abs().max() <= REACH


def test_moving_there_and_back_leaves_the_pixels_that_stayed_inside() -> None:
    pictures, shift = torch.rand(2, 3, 16, 12), Shift(torch.tensor([[3, -2], [0, 0]]))
    back = shift.inverse().move(shift.move(pictures))
    inside = shift.inverse().is_known(pictures).expand_as(pictures)
    assert torch.equal(back[inside], pictures[inside])
    assert inside[0].sum() == 3 * 13 * 10
    assert inside[1].all()


def test_the_heatmap_moves_with_the_part() -> None:
    detector = make_detector()
    still, shifted = detector(part()).heatmap[0], detector(part(4, -3)).heatmap[0]
    # away from the borders, where the ground that came into the picture is only its border, gone on
    torch.testing.assert_close(shifted[16:50, 9:40], still[12:46, 12:43])


@pytest.mark.parametrize("reduce", ["max", "top-mean"])
def test_a_score_never_exceeds_the_map_that_is_shown(reduce: str) -> None:
    detector = make_detector(reduce)
    anomaly = detector(torch.cat([part(6, 6), part(), torch.rand(1, 3, SIZE, SIZE)]))
    assert torch.isfinite(anomaly.heatmap).all()
    assert (anomaly.score <= anomaly.heatmap.amax(dim=(1, 2))).all()


def test_parts_are_placed_one_by_one_whatever_else_is_in_the_batch() -> None:
    detector = make_detector()
    pictures = torch.cat([part(6, 6), part(), part(-2, 1), torch.rand(1, 3, SIZE, SIZE)])
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    torch.testing.assert_close(detector(pictures).score, alone, atol=1e-6, rtol=0)


def test_an_explanation_lies_where_the_part_was_sent() -> None:
    detector, picture = make_detector(), part(4, -3)
    seen = detector.explain(picture)
    assert torch.equal(seen.heatmap, detector(picture).heatmap)
    still = detector.explain(part())
    torch.testing.assert_close(seen.reconstruction[..., 16:50, 9:40], still.reconstruction[..., 12:46, 12:43])


def test_what_it_learnt_is_stored_and_read_again() -> None:
    detector = make_detector()
    again = build_detector(detector.spec)
    load_detector_weights(again, detector_weights(detector))
    assert torch.equal(again(part(2, 2)).heatmap, detector(part(2, 2)).heatmap)
    assert detector.spec.sight is None
