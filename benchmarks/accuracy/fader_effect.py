"""What the attenuator does to reconstructions: inside marked defects, outside them, and to good parts.

In: a run fitted with `python -m training fit` on a product with masks (--product, --runs). Out: a table on stdout.
The attenuator is fitted again with each of its losses, on the run's own held-out pictures; the reconstruction network
is the run's. Refuses: a run without an attenuator or whose test pictures have no masks.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detector.build import build_detector
from detector.pipeline import Detector, stack
from training.calibrate import BATCH_SIZE, score_pictures
from training.data import Sample, load_mask, load_pictures
from training.fit_evidence import fit_evidence
from training.fit_fader import LOSSES, fit_fader, patch_errors, rank_correlation
from training.metrics import auroc
from training.rebuild import Pictures
from training.run import Run, load_fitted, open_run
from training.run_folder import RunFolder


@dataclass(frozen=True)
class Errors:
    """Mean |I - I'| in units of 1/255, and mean gates."""

    inside: float
    outside: float
    good: float
    gate_inside: float
    gate_outside: float


def main() -> None:
    """Print one row without attenuator and one for each loss."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", required=True)
    parser.add_argument("--runs", type=Path, default=Path("var/runs"))
    parser.add_argument("--every", type=int, default=1, help="take each n-th test picture")
    options = parser.parse_args()
    run = open_run(RunFolder(options.runs / options.product))
    run = replace(run, dataset=replace(run.dataset, test=run.dataset.test[:: options.every]))
    detector = load_fitted(run)
    marked = [sample for sample in run.dataset.test if sample.mask is not None]
    if detector.fader is None or not marked:
        sys.exit(f"{options.product} has no attenuator, or no masks")
    print("| loss | rank correlation | inside | outside | ratio | good parts | gate inside | outside | image AUROC |")
    print("|---|---|---|---|---|---|---|---|---|")
    print_row("no FADeR", run, detector, marked)
    for loss in LOSSES:
        print_row(loss, run, detector, marked)


def print_row(name: str, run: Run, fitted: Detector, marked: list[Sample]) -> None:
    """Fit what `name` says, measure it, print it."""
    held_out = load_pictures(run.dataset.hold_out, run.config.input)
    detector = with_attenuator(name, run, fitted, held_out)
    errors = measure(detector, run, marked)
    unseen = load_pictures(run.dataset.calibrate, run.config.input)
    figures = [
        "" if detector.fader is None else f"{order_on(detector, unseen):.3f}",
        *(f"{value:.2f}" for value in (errors.inside, errors.outside, errors.inside / errors.outside, errors.good)),
        *(f"{value:.3f}" for value in (errors.gate_inside, errors.gate_outside)),
        f"{image_auroc(detector, run, held_out):.3f}",
    ]
    print(f"| {name} | {' | '.join(figures)} |", flush=True)


def with_attenuator(name: str, run: Run, fitted: Detector, held_out: Pictures) -> Detector:
    """The run's U-Net, with an attenuator fitted by the loss `name`, or none for another name."""
    torch.manual_seed(run.config.seed)
    backbone = None if fitted.spec.backbone is None else fitted.saliency.backbone.network.state_dict()
    detector = build_detector(fitted.spec, backbone)
    detector.unet.load_state_dict(fitted.unet.state_dict())
    if name not in LOSSES:
        detector.fader = None
        return detector
    config = run.config.fader.model_copy(update={"loss": name})
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder)
        fit_fader(detector, held_out, config, seed=run.config.seed, checkpoint=checkpoint, on_epoch=lambda _: None)
    return detector


@torch.inference_mode()
def measure(detector: Detector, run: Run, marked: list[Sample]) -> Errors:
    """Means over all pixels inside marked defects, outside them in the same pictures, and of good test parts."""
    size = run.config.input
    pictures = load_pictures(marked, size)
    masks = np.stack([load_mask(s.mask, height=size.height, width=size.width) for s in marked if s.mask is not None])
    inside, (errors, gates) = torch.from_numpy(masks), residuals(detector, pictures)
    good = load_pictures([sample for sample in run.dataset.test if not sample.is_defective], size)
    good_errors, _ = residuals(detector, good)
    values = (errors[inside], errors[~inside], good_errors, gates[inside], gates[~inside])
    return Errors(*(float(value.mean()) for value in values))


def residuals(detector: Detector, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Per pixel (N,H,W): |I - I'| in 1/255, and the gate, which is 1 where nothing is attenuated."""
    errors, gates = [], []
    for batch in batches(pictures):
        seen = detector.explain(batch)
        errors.append(255 * (batch - seen.reconstruction).abs().mean(dim=1))
        gate = torch.ones(len(batch), 1, 1, 1) if seen.gate is None else seen.gate
        gates.append(torch.nn.functional.interpolate(gate, batch.shape[-2:], mode="bilinear")[:, 0])
    return torch.cat(errors), torch.cat(gates)


@torch.no_grad()
def order_on(detector: Detector, pictures: Pictures) -> float:
    """Spearman's coefficient between predicted and true error, on good pictures that neither network was fitted on."""
    if detector.fader is None:
        raise ValueError("no attenuator")
    hints, errors = patch_errors(detector, pictures, detector.fader.patch)
    return rank_correlation(detector.fader(hints).flatten(1), errors)


def image_auroc(detector: Detector, run: Run, held_out: Pictures) -> float:
    """Of the run's own score over all test pictures, with evidence statistics fitted for this attenuator."""
    fit_evidence(detector, load_pictures(run.dataset.train, run.config.input), held_out)
    scored = score_pictures(detector, load_pictures(run.dataset.test, run.config.input))
    return auroc(scored.scores, np.array([sample.is_defective for sample in run.dataset.test]))


def batches(pictures: Pictures) -> Iterator[Tensor]:
    """(N,H,W,3) uint8 → (B,3,H,W) in [0, 1]."""
    for start in range(0, len(pictures), BATCH_SIZE):
        yield stack(list(pictures[start : start + BATCH_SIZE]), torch.device("cpu"))


if __name__ == "__main__":
    main()
