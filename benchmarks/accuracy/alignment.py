"""What alignment costs and gains: parts as they lie and shifted at random, taken as they lie and moved into place.

In: a product (--product, --data), a backbone's weights. Out: a table on stdout. Features of the backbone only, so no
network is fitted: a row takes seconds to minutes. Every picture gets a margin of `SHIFT` of its sides, filled with its
border, and a shifted one lies anywhere in it: nothing of a part leaves the picture. Test pictures choose nothing.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ours
import torch
from safetensors.torch import load_file

from detector.align import Aligner
from detector.build import build_detector
from detector.decode import decode
from detector.pipeline import Detector, stack
from detector.preprocess import resize_to_input
from detector.spec import AlignSpec, BackboneSpec, DetectorSpec, EvidenceSpec, InputSpec, SaliencySpec
from training.calibrate import Scores, score_pictures
from training.data import LIMITS, Sample, load_mask, read_dataset
from training.fit_align import WORTH_IT, fit_aligner, gain, moved, offsets_of
from training.fit_evidence import fit_evidence
from training.metrics import auroc
from training.rebuild import Pictures

SHIFT = 0.04  # of a side, either way: 12 of 300 px
CPU = torch.device("cpu")
INPUT = InputSpec()


@dataclass(frozen=True)
class Shifted:
    """Pictures of one role, and where their parts lie."""

    pictures: Pictures
    offsets: np.ndarray
    """(N,2) rows and columns, in input pixels."""
    masks: np.ndarray | None
    """(N,H,W) bool, where the product has masks; nothing is marked in good pictures."""


def main() -> None:
    """Three states of the pictures, two ways of taking them."""
    options = parse_arguments()
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good = [sample for sample in dataset.test if not sample.is_defective]
    defective = [sample for sample in dataset.test if sample.is_defective]
    test = [*spread(good, options.most), *spread(defective, options.most)]
    roles = (spread(dataset.train, 2 * options.most), spread(dataset.hold_out, options.most), test)
    print(
        "| training pictures | test pictures | parts | gain, good parts | found to 2 px | image AUROC | pixel AUROC |"
    )
    print("|---|---|---|---|---|---|---|")
    for shifts in ((0.0, 0.0), (0.0, SHIFT), (SHIFT, SHIFT)):
        train, held_out, tested = (
            load(samples, shift, seed)
            for seed, (samples, shift) in enumerate(zip(roles, (shifts[0], *shifts), strict=True))
        )
        names = [f"shifted by up to {shift:.0%}" if shift else "as they are" for shift in shifts]
        aligner = fit_aligner(AlignSpec(), train.pictures, CPU)
        worth = gain(aligner, train.pictures, held_out.pictures)
        for used in (None, aligner):
            detector = fit(used, train.pictures, held_out.pictures, options.weights)
            cells = figures(detector, tested, test)
            off = "" if used is None else f"{share_in_place(used, tested):.0%}"
            taken = "as they lie" if used is None else "moved"
            chosen = " *" if (used is not None) == (worth >= WORTH_IT) else ""
            print(f"| {names[0]} | {names[1]} | {taken}{chosen} | {worth:.3f} | {off} | {cells} |", flush=True)
    print(f"\n* what `align.use = auto` takes. Alignment of one picture: {milliseconds(aligner, tested):.1f} ms")


def parse_arguments() -> argparse.Namespace:
    """Which product, and how much of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of products")
    parser.add_argument(
        "--weights", type=Path, default=Path("../shared/weights/mobilenetv2_100_same.safetensors"), help="backbone"
    )
    parser.add_argument(
        "--most", type=int, default=10_000, help="test pictures of either kind, held-out ones; twice as many to fit"
    )
    return parser.parse_args()


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """`most` of them, evenly spread."""
    return list(samples[:: max(1, -(-len(samples) // most))])


def load(samples: Sequence[Sample], shift: float, seed: int) -> Shifted:
    """Decode, put each part anywhere in its margin, resize."""
    random = np.random.default_rng(seed)
    pictures, offsets, masks = [], [], []
    for sample in samples:
        pixels = decode(sample.path.read_bytes(), INPUT, LIMITS).pixels
        height, width = pixels.shape[:2]
        reach = np.round(SHIFT * np.array([height, width])).astype(int)
        at = random.integers(-reach, reach + 1) if shift else np.zeros(2, int)
        margins = [(int(r + a), int(r - a)) for r, a in zip(reach, at, strict=True)]
        pictures.append(resize_to_input(np.pad(pixels, (*margins, (0, 0)), mode="edge"), INPUT))
        offsets.append(at * (INPUT.height, INPUT.width) / (np.array([height, width]) + 2 * reach))
        mark = None if sample.mask is None else load_mask(sample.mask, height=height, width=width)
        masks.append(resized_mask(np.zeros((height, width), bool) if mark is None else mark, margins))
    has_masks = any(sample.mask is not None for sample in samples)
    return Shifted(np.stack(pictures), np.array(offsets), np.stack(masks) if has_masks else None)


def resized_mask(mask: np.ndarray, margins: Sequence[tuple[int, int]]) -> np.ndarray:
    """(h,w) → (H,W): true where any defective pixel falls."""
    white = np.repeat(np.pad(mask, margins)[..., None], 3, axis=2).astype(np.uint8) * 255
    return resize_to_input(white, replace(INPUT, resample="box"))[..., 0] > 0


def fit(aligner: Aligner | None, train: Pictures, held_out: Pictures, weights: Path) -> Detector:
    """A detector by backbone features, whose parts are moved by `aligner` while it is fitted and afterwards."""
    backbone = BackboneSpec(name=ours.BACKBONE, digest="0" * 64, mean=ours.HALF, std=ours.HALF, pad_type="same")
    evidence = EvidenceSpec(maps=("backbone",))
    saliency = SaliencySpec(kind="none")
    spec = DetectorSpec(input=INPUT, backbone=backbone, saliency=saliency, fader=None, evidence=evidence)
    detector = build_detector(spec, load_file(weights))
    fitted_on = [part if aligner is None else moved(aligner, part) for part in (train, held_out)]
    fit_evidence(detector, *fitted_on)
    detector.aligner = aligner
    return detector


def figures(detector: Detector, tested: Shifted, samples: Sequence[Sample]) -> str:
    """Cells of the table, maps in the pixels of the shifted pictures."""
    scored: Scores = score_pictures(detector, tested.pictures)
    images = auroc(scored.scores, np.array([sample.is_defective for sample in samples]))
    if tested.masks is None:
        return f"{images:.3f} | –"
    marked = np.array([not sample.is_defective or sample.mask is not None for sample in samples])
    return f"{images:.3f} | {auroc(scored.heatmaps[marked].ravel(), tested.masks[marked].ravel()):.3f}"


def share_in_place(aligner: Aligner, tested: Shifted) -> float:
    """Of the pictures, whose shift was found to 2 px; against the usual place, since products never lie quite alike."""
    errors = offsets_of(aligner, tested.pictures).numpy() - tested.offsets
    return float((np.abs(errors - np.median(errors, axis=0)).max(axis=1) <= 2).mean())


def milliseconds(aligner: Aligner, tested: Shifted) -> float:
    """Median of CPU time for one picture alone: finding the shift; moving it is a copy."""
    times = []
    for picture in tested.pictures[:30]:
        batch = stack([picture], CPU)
        begun = time.process_time()
        aligner(batch)
        times.append(1000 * (time.process_time() - begun))
    return float(np.median(times))


if __name__ == "__main__":
    main()
