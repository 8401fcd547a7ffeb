"""What alignment costs and gains: parts as they lie and shifted at random, taken as they lie and moved into place.

In: a product (--product, --data), a backbone's weights. Out: a table on stdout. Test pictures choose nothing.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from geometry import CPU, SHIFT, Placed, State, backbone_detector, load, parse_arguments, spread

from detector.align import Aligner
from detector.pipeline import Detector, stack
from detector.spec import AlignSpec
from training.calibrate import score_pictures
from training.data import Sample, read_dataset
from training.fit_align import WORTH_IT, fit_aligner, gain, moved, offsets_of
from training.fit_evidence import fit_evidence
from training.metrics import auroc
from training.rebuild import Pictures

STATES: tuple[tuple[State, State], ...] = (
    ("as they are", "as they are"),
    ("as they are", "shifted"),
    ("shifted", "shifted"),
)


def main() -> None:
    """Three states of the pictures, two ways of taking them."""
    options = parse_arguments()
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good = [sample for sample in dataset.test if not sample.is_defective]
    defective = [sample for sample in dataset.test if sample.is_defective]
    test = [*spread(good, options.most), *spread(defective, options.most)]
    roles = (spread(dataset.train, options.fit), spread(dataset.hold_out, options.most), test)
    print(
        "| training pictures | test pictures | parts | gain, good parts | found to 2 px | image AUROC | pixel AUROC |"
    )
    print("|---|---|---|---|---|---|---|")
    for states in STATES:
        train, held_out, tested = (
            load(samples, state, seed)
            for seed, (samples, state) in enumerate(zip(roles, (states[0], *states), strict=True))
        )
        aligner = fit_aligner(AlignSpec(), train.pictures, CPU)
        worth = gain(aligner, train.pictures, held_out.pictures)
        for used in (None, aligner):
            detector = fit(used, train.pictures, held_out.pictures, options.weights)
            found = "" if used is None else f"{share_in_place(used, tested):.0%}"
            taken = "as they lie" if used is None else "moved"
            chosen = " *" if (used is not None) == (worth >= WORTH_IT) else ""
            cells = f"{taken}{chosen} | {worth:.3f} | {found} | {figures(detector, tested, test)}"
            print(f"| {states[0]} | {states[1]} | {cells} |", flush=True)
    print(f"\nshifted: by up to {SHIFT:.0%} of a side. * what `align.use = auto` takes.")
    print(f"Alignment of one picture: {milliseconds(aligner, tested):.1f} ms")


def fit(aligner: Aligner | None, train: Pictures, held_out: Pictures, weights: Path) -> Detector:
    """A detector by backbone features, whose parts are moved by `aligner` while it is fitted and afterwards."""
    detector = backbone_detector(weights)
    fitted_on = [part if aligner is None else moved(aligner, part) for part in (train, held_out)]
    fit_evidence(detector, *fitted_on)
    detector.aligner = aligner
    return detector


def figures(detector: Detector, tested: Placed, samples: Sequence[Sample]) -> str:
    """Cells of the table, maps in the pixels of the shifted pictures."""
    scored = score_pictures(detector, tested.pictures)
    images = auroc(scored.scores, np.array([sample.is_defective for sample in samples]))
    if tested.masks is None:
        return f"{images:.3f} | –"
    marked = np.array([not sample.is_defective or sample.mask is not None for sample in samples])
    return f"{images:.3f} | {auroc(scored.heatmaps[marked].ravel(), tested.masks[marked].ravel()):.3f}"


def share_in_place(aligner: Aligner, tested: Placed) -> float:
    """Of the pictures, whose shift was found to 2 px; against the usual place, since products never lie quite alike."""
    errors = offsets_of(aligner, tested.pictures).numpy() - tested.offsets
    return float((np.abs(errors - np.median(errors, axis=0)).max(axis=1) <= 2).mean())


def milliseconds(aligner: Aligner, tested: Placed) -> float:
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
