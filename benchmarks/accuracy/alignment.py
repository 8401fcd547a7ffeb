"""What alignment costs and gains: parts as they lie and shifted at random, taken as they lie and moved into place.

In: a product (--product, --data), a backbone's weights. Out: a table on stdout. Test pictures choose nothing.
"""

from pathlib import Path

import numpy as np
from geometry import (
    CPU,
    SHIFT,
    Placed,
    State,
    backbone_detector,
    chosen,
    cpu_milliseconds,
    figures,
    load,
    parse_arguments,
)

from detector.align import Aligner
from detector.pipeline import Detector
from detector.spec import AlignSpec
from training.fit_align import WORTH_IT, fit_aligner, gain, moved, offsets_of
from training.fit_evidence import fit_evidence
from training.rebuild import Pictures

STATES: tuple[tuple[State, State], ...] = (
    ("as they are", "as they are"),
    ("as they are", "shifted"),
    ("shifted", "shifted"),
)


def main() -> None:
    """Three states of the pictures, two ways of taking them."""
    options = parse_arguments()
    roles = chosen(options)
    print("| training | test | parts | gain, good parts | found to 2 px | image AUROC | pixel AUROC | AUPRO |")
    print("|---" * 8 + "|")
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
            star = " *" if (used is not None) == (worth >= WORTH_IT) else ""
            cells = f"{taken}{star} | {worth:.3f} | {found} | {figures(detector, tested, roles[2])}"
            print(f"| {states[0]} | {states[1]} | {cells} |", flush=True)
    print(f"\nshifted: by up to {SHIFT:.0%} of a side. * what `align.use = auto` takes.")
    print(f"Alignment of one picture: {cpu_milliseconds(aligner, tested.pictures):.1f} ms")


def fit(aligner: Aligner | None, train: Pictures, held_out: Pictures, weights: Path) -> Detector:
    """A detector by backbone features, whose parts are moved by `aligner` while it is fitted and afterwards."""
    detector = backbone_detector(weights)
    fitted_on = [part if aligner is None else moved(aligner, part) for part in (train, held_out)]
    fit_evidence(detector, *fitted_on)
    detector.aligner = aligner
    return detector


def share_in_place(aligner: Aligner, tested: Placed) -> float:
    """Of the pictures, whose shift was found to 2 px; against the usual place, since products never lie quite alike."""
    errors = offsets_of(aligner, tested.pictures).numpy() - tested.offsets
    return float((np.abs(errors - np.median(errors, axis=0)).max(axis=1) <= 2).mean())


if __name__ == "__main__":
    main()
