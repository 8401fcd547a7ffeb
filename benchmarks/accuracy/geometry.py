"""Pictures of a product in six states, and a detector by backbone features alone: no network has to be fitted.

In: samples, a state, a seed. Out: `Placed`. As they are and shifted, every picture gets a margin of `SHIFT` of its
sides, filled with its border; a shifted one lies anywhere in it, so that nothing of a part leaves the picture. Turned
ones need more room, and get it in every state that they are compared with. Cut at random, a place says nothing about a
part any more. At any angle, a part fills the picture as before and its border is mirrored around it; cut as well, a
square of `PIECE` of its sides is left, at any place and of real pixels only.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import ours
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from detector.backbone import create_network
from detector.build import build_detector
from detector.decode import decode
from detector.pipeline import Detector, stack
from detector.preprocess import resize_to_input
from detector.spec import BackboneSpec, DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, SaliencySpec
from model_store.checkpoint import fit_to, read_checkpoint
from training.calibrate import score_pictures
from training.data import LIMITS, WHITE, Sample, load_mask, read_dataset
from training.metrics import aupro, auroc
from training.rebuild import Pictures

State = Literal["as they are", "shifted", "turned", "cut at random", "any angle", "any angle, cut"]
Pair = tuple[np.ndarray, np.ndarray]  # a picture and its mask, (h,w,3) uint8 each
SHIFT = 0.04  # of a side, either way: 12 of 300 px
OVERSAMPLED = 512  # px of the longer side, about, from which pictures are turned; finer ones would only cost time
CUT = 0.6  # of a side is left
PIECE = 0.5  # of a side is left of what is turned as well
CPU = torch.device("cpu")
TIMED = 30  # pictures, one by one
INPUT = InputSpec()


@dataclass(frozen=True)
class Placed:
    """Pictures of one role, and where their parts lie."""

    pictures: Pictures
    offsets: np.ndarray
    """(N,2) rows and columns, in input pixels; of pictures cut at random all 0."""
    stretch: float
    """As in `AlignSpec`."""
    masks: np.ndarray | None
    """(N,H,W) bool, where the product has masks; nothing is marked in good pictures."""


def parse_arguments() -> argparse.Namespace:
    """Which product, and how much of it."""
    return make_parser().parse_args()


def make_parser() -> argparse.ArgumentParser:
    """The same, before a benchmark adds options of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of products")
    parser.add_argument(
        "--weights", type=Path, default=Path("../shared/weights/mobilenetv2_100_same.safetensors"), help="backbone"
    )
    parser.add_argument("--fit", type=int, default=10_000, help="pictures that distributions are fitted on")
    parser.add_argument("--turn", type=float, default=0.0, help="degrees by which turned pictures are turned at most")
    parser.add_argument("--most", type=int, default=10_000, help="test pictures of either kind, and held-out ones")
    return parser


def backbone_detector(weights: Path, size: InputSpec = INPUT, features: FeatureSpec | None = None) -> Detector:
    """MobileNetV2's features as the only evidence, without statistics; `features` other than by default."""
    backbone = BackboneSpec(name=ours.BACKBONE, digest="0" * 64, mean=ours.HALF, std=ours.HALF, pad_type="same")
    evidence = EvidenceSpec(maps=("backbone",))
    evidence = evidence if features is None else replace(evidence, backbone=features)
    saliency = SaliencySpec(kind="none")
    spec = DetectorSpec(input=size, backbone=backbone, saliency=saliency, fader=None, evidence=evidence)
    tensors = read_checkpoint(weights.read_bytes(), weights.suffix)
    return build_detector(spec, fit_to(create_network(backbone.name, backbone.pad_type), tensors, backbone.name))


def chosen(options: argparse.Namespace) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """To fit on, held out, to test: as many of a product's as the options say."""
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good, defective = ([it for it in dataset.test if it.is_defective is kind] for kind in (False, True))
    test = [*spread(good, options.most), *spread(defective, options.most)]
    return spread(dataset.train, options.fit), spread(dataset.hold_out, options.most), test


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """`most` of them, evenly spread."""
    return list(samples[:: max(1, -(-len(samples) // most))])


def load(samples: Sequence[Sample], state: State, seed: int, *, turn: float = 0.0) -> Placed:
    """Decode, put, turn or cut, resize; masks likewise. `turn`: degrees that there is room for."""
    random = np.random.default_rng(seed)
    pictures, offsets, masks, stretches = [], [], [], []
    for sample in samples:
        pixels = decode(sample.path.read_bytes(), INPUT, LIMITS).pixels
        height, width = pixels.shape[:2]
        mark = np.zeros((height, width), bool)
        mark = mark if sample.mask is None else load_mask(sample.mask, height=height, width=width)
        white = np.repeat(mark[..., None], 3, axis=2).astype(np.uint8) * 255
        if turn:
            (pixels, white), offset = _turn((pixels, white), random, state, turn), np.zeros(2)
        else:
            (pixels, white), offset = CHANGES[state]((pixels, white), random)
        pictures.append(resize_to_input(Image.fromarray(pixels), INPUT))
        masks.append(resize_to_input(Image.fromarray(white), replace(INPUT, resample="box"))[..., 0] > 0)
        stretches.append(pixels.shape[1] * INPUT.height / (pixels.shape[0] * INPUT.width))
        offsets.append(offset * (INPUT.height, INPUT.width) / np.array(pixels.shape[:2]))
    has_masks = any(sample.mask is not None for sample in samples)
    return Placed(
        np.stack(pictures), np.array(offsets), float(np.median(stretches)), np.stack(masks) if has_masks else None
    )


def _stay(pair: Pair, _: np.random.Generator) -> tuple[Pair, np.ndarray]:
    """In the middle of the margin that shifted parts have."""
    return _put(pair, _reach(pair), np.zeros(2, int))


def _shift(pair: Pair, random: np.random.Generator) -> tuple[Pair, np.ndarray]:
    """Anywhere in the margin."""
    return _put(pair, _reach(pair), random.integers(-_reach(pair), _reach(pair) + 1))


def _reach(pair: Pair) -> np.ndarray:
    return np.round(SHIFT * np.array(pair[0].shape[:2])).astype(int)


def _put(pair: Pair, reach: np.ndarray, at: np.ndarray) -> tuple[Pair, np.ndarray]:
    margins = [(int(r + a), int(r - a)) for r, a in zip(reach, at, strict=True)]
    picture, white = (np.pad(part, (*margins, (0, 0)), mode="edge") for part in pair)
    return (picture, white), at


def _turn(pair: Pair, random: np.random.Generator, state: State, most: float) -> Pair:
    """Shifted and turned by up to `most` degrees, or in the middle of the room for it where they stay as they are."""
    shrink = max(1, max(pair[0].shape) // OVERSAMPLED)
    picture, white = (np.asarray(Image.fromarray(part).reduce(shrink)) for part in pair)
    angle = math.radians(random.uniform(-most, most)) if state == "turned" else 0.0
    shift = random.uniform(-SHIFT, SHIFT, 2) if state == "turned" else np.zeros(2)
    places = _places(picture.shape[:2], angle, shift, math.radians(most))
    is_inside = (places.abs() <= 1).all(dim=3)[0].numpy()
    marks = (_taken(white, places) > WHITE).all(axis=2) & is_inside
    return _taken(picture, places), np.repeat(marks[..., None], 3, axis=2).astype(np.uint8) * 255


def _places(size: Sequence[int], angle: float, shift: np.ndarray, most: float) -> torch.Tensor:
    """(1,H,W,2) float32, grid_sample's measure: where pixels of a picture with enough room come from."""
    (height, width), cos, sin = size, math.cos(most), math.sin(most)
    sides = [height * cos + width * sin, width * cos + height * sin] if cos > sin > 0 else [math.hypot(*size)] * 2
    rows, columns = (
        np.arange(round(side + 2 * SHIFT * own)) - (round(side + 2 * SHIFT * own) - 1) / 2 - part * own
        for side, own, part in zip(sides, size, shift, strict=True)
    )
    y = math.sin(angle) * columns + math.cos(angle) * rows[:, None]
    x = math.cos(angle) * columns - math.sin(angle) * rows[:, None]
    return torch.from_numpy(np.stack((2 * x / width, 2 * y / height), axis=2)).float()[None]


def _taken(pixels: np.ndarray, places: torch.Tensor) -> np.ndarray:
    """(h,w,3) uint8 → (H,W,3) uint8; the border goes on."""
    maps = torch.tensor(pixels).permute(2, 0, 1)[None].float()
    taken = F.grid_sample(maps, places, mode="bicubic", padding_mode="border", align_corners=False)
    return taken[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()


def _cut(pair: Pair, random: np.random.Generator) -> tuple[Pair, np.ndarray]:
    """Any piece of `CUT` of the sides, half of them mirrored either way."""
    height, width = pair[0].shape[:2]
    rows, columns = int(CUT * height), int(CUT * width)
    top, left = random.integers(0, (height - rows + 1, width - columns + 1))
    down, right = (1 if random.random() < 0.5 else -1 for _ in range(2))
    picture, white = (part[top : top + rows, left : left + columns][::down, ::right] for part in pair)
    return (np.ascontiguousarray(picture), np.ascontiguousarray(white)), np.zeros(2)


def _turn_anyhow(pair: Pair, random: np.random.Generator) -> tuple[Pair, np.ndarray]:
    """All of it, by any angle about the middle."""
    return _rotated(pair, random.uniform(0, 360), np.full(2, 0.5), 1.0), np.zeros(2)


def _turn_and_cut(pair: Pair, random: np.random.Generator) -> tuple[Pair, np.ndarray]:
    """A square at any angle and any place at which it lies within the picture."""
    reach = PIECE / np.sqrt(2)
    return _rotated(pair, random.uniform(0, 360), random.uniform(reach, 1 - reach, 2), PIECE), np.zeros(2)


def _rotated(pair: Pair, angle: float, middle: np.ndarray, share: float) -> Pair:
    """`share` of the sides around `middle`, turned; both in shares of the picture, which is made square first."""
    side = 2 * INPUT.height
    size, reach = round(side * share), side // 2
    corner = [int(at) for at in np.round(middle * side) + reach - size / 2]
    parts = []
    for part, resample in zip(pair, (Image.Resampling.BICUBIC, Image.Resampling.NEAREST), strict=True):
        square = np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BOX))
        wide = Image.fromarray(np.pad(square, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric"))
        turned = wide.rotate(angle, resample, center=(corner[1] + size / 2, corner[0] + size / 2))
        parts.append(np.asarray(turned)[corner[0] : corner[0] + size, corner[1] : corner[1] + size].copy())
    return parts[0], parts[1]


CHANGES: dict[State, Callable[[Pair, np.random.Generator], tuple[Pair, np.ndarray]]] = {
    "as they are": _stay,
    "shifted": _shift,
    "cut at random": _cut,
    "any angle": _turn_anyhow,
    "any angle, cut": _turn_and_cut,
}


def figures(detector: Detector, tested: Placed, samples: Sequence[Sample]) -> str:
    """Cells of a table: image AUROC, pixel AUROC, AUPRO, maps in the pixels of the tested pictures. Of a product with
    masks, a defective picture whose defect was cut away is left out."""
    truth = np.array([sample.is_defective for sample in samples])
    scored = score_pictures(detector, tested.pictures)
    if tested.masks is None:
        return f"{auroc(scored.scores, truth):.3f} | – | –"
    shown = ~truth | tested.masks.any(axis=(1, 2))
    maps, masks = scored.heatmaps[shown], tested.masks[shown]
    images = auroc(scored.scores[shown], truth[shown])
    return f"{images:.3f} | {auroc(maps.ravel(), masks.ravel()):.3f} | {aupro(maps, masks):.3f}"


@torch.inference_mode()
def cpu_milliseconds(work: Callable[[Tensor], object], pictures: Pictures) -> float:
    """Median of CPU time that `work` takes for one picture alone, (1,3,H,W)."""
    times = []
    for picture in pictures[:TIMED]:
        batch = stack([picture], CPU)
        begun = time.process_time()
        work(batch)
        times.append(1000 * (time.process_time() - begun))
    return float(np.median(times))
