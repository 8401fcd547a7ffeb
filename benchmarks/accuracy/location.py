"""Statistics per location or pooled: what is chosen on good pictures, and what would have been right.

In: a product (--product, --data), a backbone's weights. Out: a table on stdout, a row for each state of the pictures.
Test pictures choose nothing.
"""

from typing import get_args

import numpy as np
import torch
from geometry import State, backbone_detector, load, parse_arguments, spread

from detector.build import build_evidence
from detector.evidence.gaussian import GaussianField
from detector.pipeline import Detector, stack
from training.calibrate import score_pictures
from training.choose_statistics import KINDS, choose_statistics, with_statistics
from training.data import read_dataset
from training.fit_evidence import fit_evidence
from training.metrics import auroc
from training.rebuild import Pictures


def main() -> None:
    """Marks, likelihoods and what the test pictures say."""
    options = parse_arguments()
    dataset = read_dataset(options.data / options.product, hold_out=0.2, calibrate=0.2)
    good = spread([sample for sample in dataset.test if not sample.is_defective], options.most)
    test = [*good, *spread([sample for sample in dataset.test if sample.is_defective], options.most)]
    roles = (spread(dataset.train, options.fit), spread(dataset.hold_out, options.most), test)
    truth = np.array([sample.is_defective for sample in test])
    print("| pictures | chosen | kind | mark | log likelihood | image AUROC |")
    print("|---|---|---|---|---|---|")
    for state in get_args(State):
        train, held_out, tested = (load(samples, state, seed).pictures for seed, samples in enumerate(roles))
        detector = backbone_detector(options.weights)
        marks = choose_statistics(detector, train, held_out, seed=0)
        chosen = detector.spec.evidence.backbone.statistics
        for kind in KINDS:
            detector.spec = with_statistics(detector.spec, kind)
            detector.evidence = build_evidence(detector.spec, detector.backbone).eval()
            fit_evidence(detector, train, held_out)
            figures = f"{marks[kind]:.3f} | {log_likelihood(detector, held_out):.3f}"
            image = auroc(score_pictures(detector, tested).scores, truth)
            print(f"| {state} | {chosen} | {kind} | {figures} | {image:.3f} |", flush=True)


@torch.inference_mode()
def log_likelihood(detector: Detector, pictures: Pictures) -> float:
    """Of the features of good pictures, a dimension; the constant that both kinds share is left out."""
    field: GaussianField = detector.evidence.fields["backbone"]  # type: ignore[assignment]
    scale = field.whitener.float().diagonal(dim1=1, dim2=2).abs().log().mean()
    squares = [
        field(detector.feature_grid(stack([picture], torch.device("cpu")), "backbone")).square().mean()
        for picture in pictures
    ]
    return float(scale - torch.stack(squares).mean() / 2)


if __name__ == "__main__":
    main()
