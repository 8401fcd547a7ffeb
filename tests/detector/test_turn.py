"""Parts that are turned: the angle is found within its limits, and maps come back in the pixels that were sent."""

import math

import pytest
import torch
from torch import Tensor

from detector.align import orientations
from detector.build import build_detector, detector_weights, load_detector_weights
from detector.motion import Turn
from detector.pipeline import Detector
from detector.spec import AlignSpec, DetectorSpec, EvidenceSpec, InputSpec, UNetSpec
from detector.turn import Turner, thumbnails

SIZE, REACH = 96, 8


def part(degrees: float = 0.0, down: float = 0.0, right: float = 0.0, *, stretch: float = 1.0) -> Tensor:
    """A plate with a bar and a hole on a dark ground, drawn turned by `degrees`: (1,3,H,W)."""
    rows, columns = torch.meshgrid(*(torch.arange(SIZE) - (SIZE - 1) / 2 for _ in range(2)), indexing="ij")
    rows, columns, angle = rows - down, stretch * (columns - right), math.radians(degrees)
    y = math.cos(angle) * rows - math.sin(angle) * columns
    x = math.sin(angle) * rows + math.cos(angle) * columns
    picture = torch.full((SIZE, SIZE), 0.1)
    for value, (top, bottom, left, end) in ((0.7, (-26, 26, -20, 20)), (0.3, (-18, -12, -14, 14)), (0, (4, 14, 2, 12))):
        inside = [torch.sigmoid(2 * edge) for edge in (y - top, bottom - y, x - left, end - x)]  # a lens's edges
        picture = torch.lerp(picture, torch.tensor(float(value)), inside[0] * inside[1] * inside[2] * inside[3])
    return picture.expand(1, 3, SIZE, SIZE).clone()


def fitted(turn: float = 180.0, stretch: float = 1.0) -> Turner:
    turner = Turner(AlignSpec(reach=REACH, turn=turn, stretch=stretch), height=SIZE, width=SIZE)
    turner.learn(orientations(thumbnails(part(stretch=stretch)))[0])
    return turner


def make_detector() -> Detector:
    torch.manual_seed(0)
    spec = DetectorSpec(
        input=InputSpec(height=SIZE, width=SIZE),
        mosaic_scale=4,
        unet=UNetSpec(widths=(4, 8)),
        fader=None,
        evidence=EvidenceSpec(maps=("l1",), standardise="none"),
        align=AlignSpec(reach=REACH, turn=180.0),
    )
    detector = build_detector(spec)
    assert detector.aligner is not None
    detector.aligner.load_state_dict(fitted().state_dict())
    return detector


@pytest.mark.parametrize("pose", [(0, 0, 0), (9.5, 2, -3), (-90, -6, 5), (133, 0, 4), (179, 1, 1), (-30.7, -1.5, 0.4)])
def test_any_angle_and_shift_within_reach_are_found(pose: tuple[float, float, float]) -> None:
    degrees, *shift = fitted().poses(thumbnails(part(*pose)))[0].tolist()
    assert abs((math.degrees(degrees) - pose[0] + 180) % 360 - 180) < 0.5
    assert shift == pytest.approx(pose[1:], abs=0.3)


def test_a_turn_in_a_picture_that_was_squeezed_into_the_input_is_found() -> None:
    turner = fitted(stretch=1.5)
    placed = turner(part(25, 2, -1, stretch=1.5)).move(part(25, 2, -1, stretch=1.5))
    assert (placed - part(stretch=1.5)).abs().mean() < 0.01


@pytest.mark.parametrize("degrees", [12.0, -12.0, 90.0])
def test_no_part_is_turned_further_than_the_limit(degrees: float) -> None:
    turner = fitted(turn=10.0)
    assert turner.poses(thumbnails(part(degrees, 14, -14)))[0, 0].abs() <= math.radians(10) + 1e-6
    assert turner.poses(thumbnails(part(degrees, 14, -14)))[0, 1:].abs().max() <= REACH


@pytest.mark.parametrize("picture", [torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 3, SIZE, SIZE)])
def test_a_flat_picture_stays_as_it_lies(picture: Tensor) -> None:
    assert torch.equal(fitted().poses(thumbnails(picture)), torch.zeros(1, 3))


def test_before_it_is_fitted_every_part_stays_as_it_lies() -> None:
    turner = Turner(AlignSpec(reach=REACH, turn=180.0), height=SIZE, width=SIZE)
    assert torch.equal(turner.poses(thumbnails(part(40))), torch.zeros(1, 3))
    torch.testing.assert_close(turner(part(40)).move(part(40)), part(40), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 4096), (300, 200), (33, 47)])
def test_pictures_of_any_shape_are_taken(height: int, width: int) -> None:
    picture = torch.rand(2, 3, height, width)
    turner = Turner(AlignSpec(reach=8, turn=20.0), height=height, width=width)
    turner.learn(orientations(thumbnails(picture))[0])
    assert torch.isfinite(turner(picture).matrices).all()


def test_turning_there_and_back_leaves_what_stayed_inside() -> None:
    turn, picture = fitted()(part(37, 3, 2)), part(37, 3, 2)
    back = turn.inverse().move(turn.move(picture))
    known = turn.inverse().is_known(picture).expand_as(picture)
    assert (back - picture).abs()[known].mean() < 0.01
    assert 0.7 < known.float().mean() < 1


def test_a_quarter_turn_is_what_torch_rot90_does() -> None:
    maps, quarter = torch.rand(1, 2, 16, 16), Turn(torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]]))
    torch.testing.assert_close(quarter.move(maps), torch.rot90(maps, 1, dims=(2, 3)), atol=1e-5, rtol=0)
    assert quarter.is_known(maps).all()


def test_the_heatmap_turns_with_the_part() -> None:
    detector = make_detector()
    still, turned = detector(part()).heatmap, detector(part(180)).heatmap
    inner = (slice(None), slice(24, 72), slice(24, 72))
    assert (still.flip(1, 2) - turned)[inner].abs().mean() < 0.02 * still[inner].abs().mean()


def test_parts_are_turned_one_by_one_whatever_else_is_in_the_batch() -> None:
    detector = make_detector()
    pictures = torch.cat([part(60, 6, 6), part(), part(-2, 1), torch.rand(1, 3, SIZE, SIZE)])
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    torch.testing.assert_close(detector(pictures).score, alone, atol=1e-6, rtol=0)
    turner = fitted()
    poses = torch.cat([turner.poses(thumbnails(picture[None])) for picture in pictures])
    assert torch.equal(turner.poses(thumbnails(pictures)), poses)


def test_a_score_never_exceeds_the_map_that_is_shown() -> None:
    anomaly = make_detector()(torch.cat([part(45, 6, 6), part(), torch.rand(1, 3, SIZE, SIZE)]))
    assert torch.isfinite(anomaly.heatmap).all()
    assert (anomaly.score <= anomaly.heatmap.amax(dim=(1, 2))).all()


def test_an_explanation_lies_as_the_part_was_sent() -> None:
    detector = make_detector()
    seen = detector.explain(part(30))
    assert torch.equal(seen.heatmap, detector(part(30)).heatmap)
    assert set(seen.mask.unique().tolist()) <= {0.0, 1.0}
    turn, still = Turn(fitted()(part(30)).matrices), detector.explain(part())
    inner = (..., slice(24, 72), slice(24, 72))
    assert (turn.move(seen.hint) - still.hint)[inner].abs().mean() < 0.03


def test_what_it_learnt_is_stored_and_read_again() -> None:
    detector = make_detector()
    weights = detector_weights(detector)
    assert [name for name in weights if name.startswith("aligner.")] == ["aligner.edges"]
    again = build_detector(detector.spec)
    load_detector_weights(again, weights)
    assert torch.equal(again(part(20, 2, 2)).heatmap, detector(part(20, 2, 2)).heatmap)
