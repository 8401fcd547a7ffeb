"""What turning parts into place costs and gains: parts as they are and turned, taken as they lie, shifted, turned.

In: a product, a backbone's weights, --turn (degrees). Out: a table on stdout. Test pictures choose nothing.
"""

import time
from argparse import Namespace
from collections.abc import Sequence

import numpy as np
import torch
from alignment import fit
from geometry import CPU, SHIFT, Placed, State, load, parse_arguments, spread

from detector.pipeline import Detector, stack
from detector.spec import AlignSpec
from training.calibrate import score_pictures
from training.data import Sample, read_dataset
from training.fit_align import WORTH_IT, Alignment, AnyAligner, fit_aligner, gain, turned
from training.fit_turn import fit_turner
from training.metrics import aupro, auroc

TESTED: dict[State, tuple[State, ...]] = {"as they are": ("as they are", "turned"), "turned": ("turned",)}


def main() -> None:
    """Three pairs of states of the pictures, three ways of taking them."""
    options = parse_arguments()
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good = [sample for sample in dataset.test if not sample.is_defective]
    defective = [sample for sample in dataset.test if sample.is_defective]
    test = [*spread(good, options.most), *spread(defective, options.most)]
    train, held_out = spread(dataset.train, options.fit), spread(dataset.hold_out, options.most)
    print(
        "| training | test | parts | gain, good parts | image AUROC | pixel AUROC | AUPRO | ms |\n" + "|---" * 8 + "|"
    )
    for state, tested_states in TESTED.items():
        fitted = [load(samples, state, seed, turn=options.turn) for seed, samples in enumerate((train, held_out))]
        ways = ways_of_taking(fitted, options)
        for tested_state in tested_states:
            tested = load(test, tested_state, 2, turn=options.turn)
            for way, (aligner, detector) in ways.items():
                cells = f"{figures(detector, tested, test)} | {milliseconds(aligner, tested):.1f}"
                print(f"| {state} | {tested_state} | {way} | {cells} |", flush=True)
    print(f"\nturned: by up to {options.turn:.0f}°, shifted by up to {SHIFT:.0%} of a side. * what `auto` takes.")


def ways_of_taking(fitted: Sequence[Placed], options: Namespace) -> dict[str, tuple[AnyAligner | None, Detector]]:
    """As they lie, shifted and turned: what moves the parts, and a detector of parts that are moved so."""
    pair = (fitted[0].pictures, fitted[1].pictures)
    aligner = fit_aligner(AlignSpec(), pair[0], CPU)
    spec = AlignSpec(turn=options.turn, stretch=fitted[0].stretch)
    turner = fit_turner(spec, pair[0], CPU)
    worth = gain(aligner, *pair)
    taken = turned([spec], Alignment(aligner if worth >= WORTH_IT else None, worth), pair, CPU)
    ways = {}
    for name, used, figure in (
        ("as they lie", None, 0.0),
        ("shifted", aligner, worth),
        ("turned", turner, taken.turn_gain),
    ):
        star = " *" if type(used) is type(taken.aligner) else ""
        ways[f"{name}{star} | {figure:.3f}"] = (used, fit(used, *pair, options.weights))
    return ways


def figures(detector: Detector, tested: Placed, samples: Sequence[Sample]) -> str:
    """Cells of the table, maps in the pixels of the turned pictures."""
    scored = score_pictures(detector, tested.pictures)
    images = auroc(scored.scores, np.array([sample.is_defective for sample in samples]))
    if tested.masks is None:
        return f"{images:.3f} | – | –"
    marked = np.array([not sample.is_defective or sample.mask is not None for sample in samples])
    maps, masks = scored.heatmaps[marked], tested.masks[marked]
    return f"{images:.3f} | {auroc(maps.ravel(), masks.ravel()):.3f} | {aupro(maps, masks):.3f}"


@torch.inference_mode()
def milliseconds(aligner: AnyAligner | None, tested: Placed) -> float:
    """Median of CPU time for one picture alone: finding how it lies, and moving it."""
    times = []
    for picture in tested.pictures[:30]:
        batch = stack([picture], CPU)
        begun = time.process_time()
        if aligner is not None:
            aligner(batch).move(batch)
        times.append(1000 * (time.process_time() - begun))
    return float(np.median(times))


if __name__ == "__main__":
    main()
