"""Statistics per location, pooled or by nearest neighbours: what is chosen on good pictures, and what would have been
right.

In: a product (--product, --data), a backbone's weights, states (--states, all by default). Out: a table on stdout, a
row for each kind in each state of the pictures. Test pictures choose nothing. Of a product with masks, a defective
picture whose defect was cut away is left out; of one without, it stays, and costs all kinds alike.
"""

from geometry import CHANGES, backbone_detector, chosen, cpu_milliseconds, figures, load, make_parser

from detector.pipeline import Detector
from detector.spec import Statistics
from training.choose_statistics import KINDS, best_kind, mark_of


def main() -> None:
    """Marks, and what the test pictures say."""
    parser = make_parser()
    parser.add_argument("--states", nargs="*", default=tuple(CHANGES), choices=tuple(CHANGES))
    options = parser.parse_args()
    roles = chosen(options)
    print("| pictures | kind | mark | image AUROC | pixel AUROC | AUPRO | ms | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for state in options.states:
        train, held_out, tested = (load(samples, state, seed) for seed, samples in enumerate(roles))
        detector = backbone_detector(options.weights)
        marks: dict[Statistics, float] = {}
        rows = {}
        for kind in KINDS:
            marks[kind] = mark_of(kind, detector, train.pictures, held_out.pictures, seed=0)
            took = cpu_milliseconds(detector, tested.pictures)
            rows[kind] = f"{figures(detector, tested, roles[2])} | {took:.0f} | {mb(detector):.1f}"
        for kind in KINDS:
            star = " *" if kind == best_kind(marks) else ""
            print(f"| {state} | {kind}{star} | {marks[kind]:.3f} | {rows[kind]} |", flush=True)
    print("\n* what `statistics = auto` takes. ms: features and evidence of one picture.")


def mb(detector: Detector) -> float:
    """What the evidence adds to an artifact."""
    return sum(tensor.numel() * tensor.element_size() for tensor in detector.evidence.state_dict().values()) / 1e6


if __name__ == "__main__":
    main()
