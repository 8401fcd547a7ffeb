"""Synthetic defects pasted into good pictures: something to look for where no defect was ever photographed.

In: pictures (N,3,H,W) and a pool (P,3,H,W) of good ones, float32 in [0, 1] on the CPU, and a seed. Out: `Damaged`. The
same input and seed give the same bytes. Refuses nothing: a draw that cannot be seen is drawn again, and a spot goes in
where that does not help, so that no mask is empty.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.defect_shapes import KINDS, Canvas, draw_shapes, log_uniform, smooth_noise, uniform

SOURCES = ("patch", "shade", "texture", "contrast")
OPACITY = (0.25, 1.0)
SOFT_SHARE = 0.6  # of the defects have a soft edge
EDGE = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # the softening filter, rows and columns
EDGE_REACH = len(EDGE) // 2  # px that a soft edge reaches beyond its shape
VISIBLE = 0.02  # mean change over the channels, 5 of 255 grey levels: less belongs to no mask
LOCAL = 15  # px: side of the mean that shade, texture and contrast start from
DARKER_SHARE = 0.6
TRIES = 8  # draws before a spot goes in
LAST_RADIUS, LAST_CHANGE = 2.0, 0.5  # px and grey of that spot


@dataclass(frozen=True)
class Damaged:
    """Pictures with one defect each."""

    pictures: Tensor
    """(N,3,H,W) in [0, 1]; further than `EDGE_REACH` px from the mask, the untouched picture bit for bit."""
    masks: Tensor
    """(N,1,H,W) float32, 1 = visibly changed; never all 0."""
    kinds: Tensor
    """(N,) int64, index `training.defect_shapes.KINDS`."""
    sources: Tensor
    """(N,) int64, index `SOURCES`."""


def damage(pictures: Tensor, pool: Tensor, *, seed: int) -> Damaged:
    """One defect into each picture. `pool` may hold the pictures themselves, and may be a single one."""
    random = torch.Generator().manual_seed(seed)
    damaged = _draw(pictures, pool, random)
    for _ in range(TRIES):
        rows = _unseen(damaged)
        if len(rows) == 0:
            return damaged
        damaged = _replaced(damaged, rows, _draw(pictures[rows], pool, random))
    rows = _unseen(damaged)
    return _replaced(damaged, rows, _spotted(pictures[rows]))


def _draw(pictures: Tensor, pool: Tensor, random: torch.Generator) -> Damaged:
    """One draw; where the source resembles the picture, a mask may be empty."""
    count, _, height, width = pictures.shape
    canvas = Canvas(count, height, width, random)
    kinds = torch.randint(len(KINDS), (count,), generator=random)
    sources = torch.randint(len(SOURCES), (count,), generator=random)
    shapes = draw_shapes(canvas, kinds)
    soft = torch.rand(count, 1, 1, 1, generator=random) < SOFT_SHARE
    opacity = log_uniform(canvas, *OPACITY) * torch.where(soft, _softened(shapes), shapes)
    painted = pictures + opacity * (_paint(canvas, pictures, pool, sources) - pictures)
    changed, masks = _bounded(pictures, painted, shapes)
    return Damaged(changed, masks, kinds, sources)


def _bounded(pictures: Tensor, painted: Tensor, shapes: Tensor) -> tuple[Tensor, Tensor]:
    """What is visible inside the shapes is the mask; beyond a soft edge around it, the pictures are put back."""
    visible = (painted - pictures).abs().mean(dim=1, keepdim=True) > VISIBLE
    masks = visible.float() * shapes
    near = F.max_pool2d(masks, 2 * EDGE_REACH + 1, stride=1, padding=EDGE_REACH)
    return torch.where(near > 0, painted, pictures), masks


def _softened(shapes: Tensor) -> Tensor:
    """Shapes (N,1,H,W) behind a binomial filter, the border continued."""
    taps = torch.tensor(EDGE)
    padded = F.pad(shapes, (EDGE_REACH,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def _paint(canvas: Canvas, pictures: Tensor, pool: Tensor, sources: Tensor) -> Tensor:
    """What shows through: (N,3,H,W) in [0, 1]. Every source is made, so that one moves no other's draw."""
    local = F.avg_pool2d(pictures, LOCAL, 1, LOCAL // 2, count_include_pad=False)
    made = [_patch(canvas, pool)]
    made += [paint(canvas, pictures, local).clamp(0, 1) for paint in (_shade, _texture, _contrast)]
    return torch.stack(made)[sources, torch.arange(len(pictures))]


def _patch(canvas: Canvas, pool: Tensor) -> Tensor:
    """Another place of another good part, half of them mirrored."""
    chosen = _integers(canvas, len(pool))
    mirrored = torch.rand(canvas.count, 1, 1, 1, generator=canvas.random) < 0.5
    parts = torch.where(mirrored, pool[chosen].flip(-1), pool[chosen])
    shifts = zip(_integers(canvas, canvas.height).tolist(), _integers(canvas, canvas.width).tolist(), strict=True)
    return torch.stack([part.roll(shift, (-2, -1)) for part, shift in zip(parts, shifts, strict=True)])


def _shade(canvas: Canvas, pictures: Tensor, local: Tensor) -> Tensor:
    """The local mean, darker or lighter, a little tinted; a picture of a grey camera stays grey."""
    coloured = pictures.amax(dim=1, keepdim=True) > pictures.amin(dim=1, keepdim=True)
    tint = 1 + 0.3 * (torch.rand(canvas.count, 3, 1, 1, generator=canvas.random) - 0.5)
    tint = torch.where(coloured.amax(dim=(2, 3), keepdim=True), tint, 1.0)
    return local + _sign(canvas) * uniform(canvas, 0.12, 0.6) * tint


def _texture(canvas: Canvas, _: Tensor, local: Tensor) -> Tensor:
    """A texture that the part does not have."""
    noise = smooth_noise(canvas, cells=40)
    return local + uniform(canvas, 0.1, 0.35) * noise + _sign(canvas) * uniform(canvas, 0, 0.2)


def _contrast(canvas: Canvas, pictures: Tensor, local: Tensor) -> Tensor:
    """The part's own texture, stronger, weaker or inverted."""
    gain = uniform(canvas, -1, 2.5)
    return local + gain * (pictures - local) + _sign(canvas) * uniform(canvas, 0.05, 0.3)


def _sign(canvas: Canvas) -> Tensor:
    """(N,1,1,1) of -1 and 1."""
    darker = torch.rand(canvas.count, 1, 1, 1, generator=canvas.random) < DARKER_SHARE
    return torch.where(darker, -1.0, 1.0)


def _integers(canvas: Canvas, below: int) -> Tensor:
    return torch.randint(below, (canvas.count,), generator=canvas.random)


def _spotted(pictures: Tensor) -> Damaged:
    """A disc in the middle, half the range lighter where the picture is dark and darker where it is light."""
    count, _, height, width = pictures.shape
    y, x = torch.meshgrid(torch.arange(height) - height // 2, torch.arange(width) - width // 2, indexing="ij")
    masks = (y.square() + x.square() <= LAST_RADIUS**2).float().expand(count, 1, height, width)
    opposite = torch.where(pictures < 0.5, pictures + LAST_CHANGE, pictures - LAST_CHANGE)
    kind, source = (torch.full((count,), number) for number in (KINDS.index("spot"), SOURCES.index("shade")))
    return Damaged(torch.where(masks > 0, opposite, pictures), masks, kind, source)


def _unseen(damaged: Damaged) -> Tensor:
    """Rows whose mask is empty."""
    return (damaged.masks.flatten(1).amax(dim=1) == 0).nonzero()[:, 0]


def _replaced(damaged: Damaged, rows: Tensor, by: Damaged) -> Damaged:
    """`damaged` with `by` in its `rows`."""

    def put(get: Callable[[Damaged], Tensor]) -> Tensor:
        return get(damaged).index_copy(0, rows, get(by))

    return Damaged(
        pictures=put(lambda d: d.pictures),
        masks=put(lambda d: d.masks),
        kinds=put(lambda d: d.kinds),
        sources=put(lambda d: d.sources),
    )
