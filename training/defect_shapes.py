"""Where a synthetic defect lies: ragged blobs, curved lines, small spots.

In: a `Canvas` (how many pictures, their size, a generator on the CPU). Out: masks (N,1,H,W) float32 of 0 and 1, one
shape each; a mask may come out empty, which the caller looks at. Refuses nothing. Lengths are shares of sqrt(H·W).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("blob", "line", "spot")
BLOB_RADIUS, LINE_REACH, SPOT_RADIUS = (0.03, 0.25), (0.08, 0.5), (0.008, 0.05)  # shares of sqrt(H·W)
LINE_HALF_WIDTH = (0.7 / 256, 3 / 256)  # likewise
THINNEST = 0.6  # px of half width or radius: less falls between the pixels of a small picture
BLOB_CELLS, LINE_CELLS = 8, 3  # of noise across the picture: a blob is ragged, a line bends once or twice
LATTICE = 64  # cells of drawn noise a side
STRETCH = 0.8  # noise is stretched by up to e^±0.8 along one axis, an ellipse by up to e^±1


@dataclass(frozen=True)
class Canvas:
    """How many pictures of which size, and what is drawn from."""

    count: int
    height: int
    width: int
    random: torch.Generator

    @property
    def side(self) -> float:
        """sqrt(H·W) in px: what lengths are shares of."""
        return math.sqrt(self.height * self.width)


def draw_shapes(canvas: Canvas, kinds: Tensor) -> Tensor:
    """(N,) int64 that index `KINDS` → (N,1,H,W) of 0 and 1; all three are drawn, so that a kind moves no other draw."""
    drawn = torch.stack([_blobs(canvas), _lines(canvas), _spots(canvas)])
    return drawn[kinds, torch.arange(canvas.count)].float()


def uniform(canvas: Canvas, low: float, high: float) -> Tensor:
    """A number for each picture, (N,1,1,1)."""
    return low + (high - low) * torch.rand(canvas.count, 1, 1, 1, generator=canvas.random)


def log_uniform(canvas: Canvas, low: float, high: float) -> Tensor:
    """A positive number for each picture, (N,1,1,1), each doubling as likely as the next."""
    return uniform(canvas, math.log(low), math.log(high)).exp()


def smooth_noise(canvas: Canvas, cells: int) -> Tensor:
    """(N,1,H,W) of deviation 1, about `cells` bumps across the picture, stretched and turned differently in each."""
    lattice = torch.randn(canvas.count, 1, LATTICE, LATTICE, generator=canvas.random)
    lattice = F.avg_pool2d(F.pad(lattice, (1, 1, 1, 1), mode="circular"), 3, 1)
    stretch, across, down = uniform(canvas, -STRETCH, STRETCH).exp(), *_turned(canvas, *_plane(canvas))
    zoom = cells / LATTICE
    x = across * zoom * stretch + uniform(canvas, -0.3, 0.3)
    y = down * zoom / stretch + uniform(canvas, -0.3, 0.3)
    grid = torch.cat((x, y), dim=1).permute(0, 2, 3, 1)
    noise = F.grid_sample(lattice, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return noise / noise.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)


def _blobs(canvas: Canvas) -> Tensor:
    """An ellipse whose border is pushed in and out by noise."""
    distance, noise = _ellipse(canvas, *BLOB_RADIUS), smooth_noise(canvas, BLOB_CELLS)
    return (0.6 * noise + 1.2 * (1 - distance) > 0.3) & (distance < 1.5)


def _lines(canvas: Canvas) -> Tensor:
    """The level set of smooth noise at 0, inside an ellipse; noise over its slope is about the distance in px."""
    reach, noise = _ellipse(canvas, *LINE_REACH), smooth_noise(canvas, LINE_CELLS)
    down, across = torch.gradient(noise, dim=(2, 3))
    distance = noise.abs() / ((down.square() + across.square()).sqrt() + 1e-4)
    half_width = (log_uniform(canvas, *LINE_HALF_WIDTH) * canvas.side).clamp(min=THINNEST)
    return (distance < half_width) & (reach < 1)


def _spots(canvas: Canvas) -> Tensor:
    return _ellipse(canvas, *SPOT_RADIUS) < 1


def _ellipse(canvas: Canvas, smallest: float, largest: float) -> Tensor:
    """Squared distance (N,1,H,W) from a drawn centre in units of drawn, turned half axes: below 1 inside."""
    x, y = _plane(canvas)
    x, y = x - uniform(canvas, -0.9, 0.9) * x.abs().max(), y - uniform(canvas, -0.9, 0.9) * y.abs().max()
    along, beside = _turned(canvas, x, y)
    radius = log_uniform(canvas, smallest, largest) * 2  # the plane is 2 wide where it is square
    stretch, thinnest = uniform(canvas, -1, 1).exp(), 2 * THINNEST / canvas.side
    first, second = (radius * stretch).clamp(min=thinnest), (radius / stretch).clamp(min=thinnest)
    return (along / first).square() + (beside / second).square()


def _plane(canvas: Canvas) -> tuple[Tensor, Tensor]:
    """x and y (H,W) of every pixel's middle, 0 in the centre, a pixel equally long both ways, 2 across a square."""
    y, x = torch.meshgrid(_middles(canvas.height), _middles(canvas.width), indexing="ij")
    return x * 2 / canvas.side, y * 2 / canvas.side


def _middles(count: int) -> Tensor:
    return torch.arange(count) + 0.5 - count / 2


def _turned(canvas: Canvas, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The plane, turned by a drawn angle in each picture: (N,1,H,W) twice."""
    angle = uniform(canvas, 0, math.pi)
    return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()
