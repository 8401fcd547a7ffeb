"""What turning parts into place costs and gains: parts as they are and turned, taken as they lie, shifted, turned.

In: a product, a backbone's weights, --turn (degrees). Out: a table on stdout. Test pictures choose nothing.
"""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial

from alignment import fit
from geometry import CPU, SHIFT, Placed, State, chosen, cpu_milliseconds, figures, load, parse_arguments
from torch import Tensor

from detector.pipeline import Detector
from detector.spec import AlignSpec
from training.fit_align import WORTH_IT, Alignment, AnyAligner, fit_aligner, gain, turned
from training.fit_turn import fit_turner

TESTED: dict[State, tuple[State, ...]] = {"as they are": ("as they are", "turned"), "turned": ("turned",)}


def main() -> None:
    """Three pairs of states of the pictures, three ways of taking them."""
    options = parse_arguments()
    train, held_out, test = chosen(options)
    print(
        "| training | test | parts | gain, good parts | image AUROC | pixel AUROC | AUPRO | ms |\n" + "|---" * 8 + "|"
    )
    for state, tested_states in TESTED.items():
        fitted = [load(samples, state, seed, turn=options.turn) for seed, samples in enumerate((train, held_out))]
        ways = ways_of_taking(fitted, options)
        for tested_state in tested_states:
            tested = load(test, tested_state, 2, turn=options.turn)
            for way, (aligner, detector) in ways.items():
                took = 0.0 if aligner is None else cpu_milliseconds(partial(put_in_place, aligner), tested.pictures)
                cells = f"{figures(detector, tested, test)} | {took:.1f}"
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


def put_in_place(aligner: AnyAligner, batch: Tensor) -> Tensor:
    """What a part costs before it is looked at."""
    return aligner(batch).move(batch)


if __name__ == "__main__":
    main()
