"""Draws a small product, good and defective, so that a fresh machine has something to learn.

In: an empty or missing folder. Out: the MVTec AD layout with masks; the same seed gives the same bytes.
Refuses: a folder that holds something (`FolderNotEmpty`). The part is a brushed plate with four holes and an engraved
ring; it lies a pixel more to the left or right, the lamp varies, the sensor is noisy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from training.errors import FolderNotEmpty

DEFECTS = ("scratch", "dent", "stain", "missing_hole", "chip")
TABLE, METAL, BORE = 38, 150, 24  # grey of the background, the plate, a hole
HOLES = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73))  # centres, as shares of the side
MARGIN, HOLE_RADIUS, RING = 0.12, 0.06, (0.36, 0.64)

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How many pictures, how large, from which seed."""

    train: int = 300
    test_good: int = 40
    per_kind: int = 10
    size: int = 160
    seed: int = 0


def draw_product(folder: Path, config: SampleConfig, on_picture: Callable[[], None] = lambda: None) -> None:
    """Write train/good, test/<kind> and ground_truth/<kind> under `folder`."""
    if folder.exists() and any(folder.iterdir()):
        raise FolderNotEmpty(f"{folder} holds something already; choose another --out or remove it")
    random = np.random.default_rng(config.seed)
    jobs: list[tuple[str, str | None, int]] = [
        ("train/good", None, config.train),
        ("test/good", None, config.test_good),
    ]
    jobs += [(f"test/{kind}", kind, config.per_kind) for kind in DEFECTS]
    for place, defect, count in jobs:
        (folder / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels, mask = draw_part(random, defect, config.size)
            Image.fromarray(pixels).save(folder / place / f"{number:03d}.png")
            if defect is not None:
                truth = folder / "ground_truth" / defect / f"{number:03d}_mask.png"
                truth.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask.astype(np.uint8) * 255).save(truth)
            on_picture()


def draw_part(random: np.random.Generator, defect: str | None, size: int) -> tuple[Pixels, Mask]:
    """One part: (size,size,3) uint8, and where it is defective (size,size)."""
    plate = _plate(size, filled=int(random.integers(4)) if defect == "missing_hole" else None)
    texture = random.normal(0, 5, (size, 1)) + random.normal(0, 2, (size, size))  # brushed along the rows
    clean = np.asarray(_plate(size, filled=None), float)
    surface = np.asarray(plate, float)
    mask = np.abs(surface - clean) > 1
    if defect not in (None, "missing_hole"):
        surface, mask = _damage(random, str(defect), surface)
    surface = surface + texture * (surface > (BORE + METAL) / 2)
    light = 1 + 0.12 * np.linspace(-1, 1, size)[None, :] + random.normal(0, 0.02)
    shift = random.integers(-1, 2, 2)
    noisy = np.roll(surface * light, shift, (0, 1)) + random.normal(0, 2, (size, size))
    grey = np.clip(noisy, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), np.roll(mask, shift, (0, 1))


def _plate(size: int, *, filled: int | None) -> Image.Image:
    """The perfect part, four times larger and reduced, so that its edges are soft."""
    side = 4 * size
    image = Image.new("L", (side, side), TABLE)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle([MARGIN * side, MARGIN * side, (1 - MARGIN) * side, (1 - MARGIN) * side], side // 20, METAL)
    draw.ellipse([RING[0] * side, RING[0] * side, RING[1] * side, RING[1] * side], outline=METAL - 60, width=side // 60)
    radius = HOLE_RADIUS * side
    for number, (x, y) in enumerate(HOLES):
        if number != filled:
            draw.ellipse([x * side - radius, y * side - radius, x * side + radius, y * side + radius], BORE)
    return image.resize((size, size), Image.Resampling.BOX)


def _damage(
    random: np.random.Generator, defect: str, surface: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], Mask]:
    """The surface with one defect painted on, and where it changed."""
    size = len(surface)
    area = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(area)
    x, y = random.uniform(0.2, 0.8, 2) * size
    angle, reach = random.uniform(0, np.pi), random.uniform(0.1, 0.2) * size
    if defect == "scratch":
        step = np.array([np.cos(angle), np.sin(angle)]) * reach
        draw.line([x - step[0], y - step[1], x + step[0], y + step[1]], 255, 2)
        level: float = 245
    elif defect == "chip":
        edge, place = MARGIN * size, random.uniform(0.3, 0.7) * size
        draw.polygon([(place - reach / 2, edge - 2), (place + reach / 2, edge - 2), (place, edge + reach / 2)], 255)
        level = TABLE
    else:
        width, height = reach * 0.5, reach * random.uniform(0.3, 0.5)
        draw.ellipse([x - width, y - height, x + width, y + height], 255)
        level = 70 if defect == "stain" else 225
    soft = np.asarray(area.filter(ImageFilter.GaussianBlur(0.7)), float) / 255
    return surface * (1 - soft) + level * soft, soft > 0.3
