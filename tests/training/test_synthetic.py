"""Synthetic defects: seeded, bounded by their masks, never invisible."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.defect_shapes import KINDS, Canvas, draw_shapes
from training.synthetic import EDGE_REACH, SOURCES, VISIBLE, damage


def good_parts(count: int, height: int = 48, width: int = 64) -> Tensor:
    """Textured grey parts (N,3,H,W) that differ a little."""
    random = torch.Generator().manual_seed(5)
    return 0.5 + 0.08 * torch.randn(count, 3, height, width, generator=random).clamp(-3, 3)


def test_the_same_seed_gives_the_same_bytes() -> None:
    parts = good_parts(12)
    first, second = damage(parts, parts, seed=3), damage(parts, parts, seed=3)
    assert torch.equal(first.pictures, second.pictures)
    assert torch.equal(first.masks, second.masks)


def test_another_seed_gives_other_defects() -> None:
    parts = good_parts(12)
    assert not torch.equal(damage(parts, parts, seed=3).masks, damage(parts, parts, seed=4).masks)


def test_the_global_random_state_plays_no_part_and_is_left_alone() -> None:
    parts = good_parts(4)
    torch.manual_seed(1)
    first, state = damage(parts, parts, seed=0), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first.pictures, damage(parts, parts, seed=0).pictures)


def test_everything_inside_a_mask_is_visibly_changed() -> None:
    parts = good_parts(60)
    damaged = damage(parts, parts, seed=0)
    change = (damaged.pictures - parts).abs().mean(dim=1, keepdim=True)
    assert change[damaged.masks > 0].min() > VISIBLE


def test_nothing_is_changed_beyond_the_soft_edge() -> None:
    parts = good_parts(60)
    damaged = damage(parts, parts, seed=0)
    near = F.max_pool2d(damaged.masks, 2 * EDGE_REACH + 1, stride=1, padding=EDGE_REACH) > 0
    untouched = ~near.expand_as(parts)
    assert torch.equal(damaged.pictures[untouched], parts[untouched])
    assert not torch.equal(damaged.pictures, parts)


@pytest.mark.parametrize("size", [(32, 32), (32, 96), (80, 48)])
def test_no_mask_is_empty_and_none_is_everything(size: tuple[int, int]) -> None:
    parts = good_parts(80, *size)
    damaged = damage(parts, parts, seed=1)
    assert damaged.masks.shape == (80, 1, *size)
    shares = damaged.masks.mean(dim=(1, 2, 3))
    assert shares.min() > 0
    assert shares.max() < 0.6


def test_pictures_stay_in_range_and_masks_are_0_or_1() -> None:
    parts = torch.rand(40, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    damaged = damage(parts, parts, seed=2)
    assert 0 <= damaged.pictures.min() <= damaged.pictures.max() <= 1
    assert set(damaged.masks.unique().tolist()) == {0.0, 1.0}


def test_every_kind_and_every_source_occurs() -> None:
    parts = good_parts(80)
    damaged = damage(parts, parts, seed=0)
    assert set(damaged.kinds.tolist()) == set(range(len(KINDS)))
    assert set(damaged.sources.tolist()) == set(range(len(SOURCES)))


def test_a_grey_part_gets_grey_defects() -> None:
    grey = good_parts(40)[:, :1].repeat(1, 3, 1, 1)
    damaged = damage(grey, grey, seed=0).pictures
    assert torch.equal(damaged.amax(dim=1), damaged.amin(dim=1))


def test_a_single_picture_is_pool_enough() -> None:
    part = good_parts(1)
    damaged = damage(part, part, seed=0)
    assert damaged.masks.any()


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_a_flat_part_of_a_flat_pool_gets_a_defect_that_can_be_seen(grey: float) -> None:
    flat = torch.full((30, 3, 32, 32), grey)
    damaged = damage(flat, flat[:1], seed=0)
    assert (damaged.masks.flatten(1).amax(dim=1) == 1).all()


def test_spots_are_small_and_lines_are_longer_than_wide() -> None:
    canvas = Canvas(90, 128, 128, torch.Generator().manual_seed(0))
    shapes = draw_shapes(canvas, torch.arange(3).repeat(30))
    area = shapes.sum(dim=(1, 2, 3)).view(30, 3).median(dim=0).values
    blob, line, spot = area.tolist()
    assert spot < blob / 5
    assert 0 < line < blob
