"""Statistics per location, pooled or by nearest neighbours: what is chosen on good pictures, and what would have been
right.

In: a product (--product, --data), a backbone's weights, states (--states, all by default). Out: a table on stdout, a
row for each kind in each state of the pictures. Test pictures choose nothing. Of a product with masks, a defective
picture whose defect was cut away is left out; of one without, it stays, and costs all kinds alike.
"""

import time

import numpy as np
import torch
from geometry import CHANGES, Placed, backbone_detector, load, make_parser, spread

from detector.pipeline import Detector, stack
from detector.spec import Statistics
from training.calibrate import score_pictures
from training.choose_statistics import KINDS, best_kind, mark_of
from training.data import read_dataset
from training.metrics import aupro, auroc

TIMED = 30  # pictures, one by one


def main() -> None:
    """Marks, and what the test pictures say."""
    parser = make_parser()
    parser.add_argument("--states", nargs="*", default=tuple(CHANGES), choices=tuple(CHANGES))
    options = parser.parse_args()
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good = spread([sample for sample in dataset.test if not sample.is_defective], options.most)
    test = [*good, *spread([sample for sample in dataset.test if sample.is_defective], options.most)]
    roles = (spread(dataset.train, options.fit), spread(dataset.hold_out, options.most), test)
    truth = np.array([sample.is_defective for sample in test])
    print("| pictures | kind | mark | image AUROC | pixel AUROC | AUPRO | ms | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for state in options.states:
        train, held_out, tested = (load(samples, state, seed) for seed, samples in enumerate(roles))
        detector = backbone_detector(options.weights)
        marks: dict[Statistics, float] = {}
        rows = {}
        for kind in KINDS:
            marks[kind] = mark_of(kind, detector, train.pictures, held_out.pictures, seed=0)
            rows[kind] = (
                f"{figures(detector, tested, truth)} | {milliseconds(detector, tested):.0f} | {mb(detector):.1f}"
            )
        for kind in KINDS:
            chosen = " *" if kind == best_kind(marks) else ""
            print(f"| {state} | {kind}{chosen} | {marks[kind]:.3f} | {rows[kind]} |", flush=True)
    print("\n* what `statistics = auto` takes. ms: features and evidence of one picture.")


def figures(detector: Detector, tested: Placed, truth: np.ndarray) -> str:
    """Cells of the table."""
    scored = score_pictures(detector, tested.pictures)
    if tested.masks is None:
        return f"{auroc(scored.scores, truth):.3f} | – | –"
    shown = ~truth | tested.masks.any(axis=(1, 2))
    maps, masks = scored.heatmaps[shown], tested.masks[shown]
    images = auroc(scored.scores[shown], truth[shown])
    return f"{images:.3f} | {auroc(maps.ravel(), masks.ravel()):.3f} | {aupro(maps, masks):.3f}"


def milliseconds(detector: Detector, tested: Placed) -> float:
    """Median of CPU time for one picture alone."""
    times = []
    for picture in tested.pictures[:TIMED]:
        batch = stack([picture], torch.device("cpu"))
        begun = time.process_time()
        detector(batch)
        times.append(1000 * (time.process_time() - begun))
    return float(np.median(times))


def mb(detector: Detector) -> float:
    """What the evidence adds to an artifact."""
    return sum(tensor.numel() * tensor.element_size() for tensor in detector.evidence.state_dict().values()) / 1e6


if __name__ == "__main__":
    main()
