"""Stage 3, its first question: do good parts lie alike? Statistics per location if they do, pooled if they do not.

In: a detector whose networks are fitted, good pictures (N,H,W,3) uint8 that they were fitted on and held-out ones.
Out: its evidence of the better kind with the distributions of features, in place, and the mark of either kind. No label
and no test picture is looked at. Refuses what `fit_evidence` does.

Each kind is measured on one half of the held-out pictures and sits, on the other half, the trial that fusion weights
are chosen by: it finds synthetic defects, the same for both. The likelihood of held-out features was tried as well, and
was wrong twice in nine where the defects never were (docs/method.md).
"""

from detector.build import build_evidence
from detector.pipeline import Detector
from detector.spec import FEATURES, DetectorSpec, Statistics
from training.fit_evidence import fit_evidence
from training.fit_fusion import objective, sit_trial, weigh
from training.rebuild import Pictures
from training.statistics_size import is_too_large, with_statistics

KINDS: tuple[Statistics, ...] = ("pooled", "per-location")
FEWEST = 16  # held-out pictures: of fewer, half are too few to judge by
# What pooled must be better by. Per location costs little where it is wrong and was up to 0.12 of image AUROC better
# where it is right, and with some dozen pictures a mark is a matter of luck by more than this (ours, docs/method.md).
MARGIN = 0.02


def choose_statistics(detector: Detector, fitted: Pictures, held_out: Pictures, *, seed: int) -> dict[str, float]:
    """Kind → its mark in [0, 1]; empty where the spec has no statistics of a kind, there are too few pictures, or
    training/design.py has left only pooled ones, because others would not fit into memory."""
    per_location = with_statistics(detector.spec, "per-location")
    if len(held_out) < FEWEST or not has_statistics(detector.spec) or is_too_large(per_location, detector.backbone):
        return {}
    marks: dict[str, float] = {}
    evidences = {}
    for kind in KINDS:
        detector.spec = with_statistics(detector.spec, kind)
        detector.evidence = build_evidence(detector.spec, detector.backbone).to(detector.evidence.weights.device).eval()
        marks[kind], evidences[kind] = _mark(detector, fitted, held_out, seed), detector.evidence
    kind = "pooled" if marks["pooled"] >= marks["per-location"] + MARGIN else "per-location"
    detector.spec, detector.evidence = with_statistics(detector.spec, kind), evidences[kind]
    return marks


def has_statistics(spec: DetectorSpec) -> bool:
    """Whether any map of the spec is measured per location or pooled."""
    evidence = spec.evidence
    reads_features = any(source in evidence.maps for source in FEATURES)
    return reads_features or (bool(evidence.residuals) and evidence.standardise != "none")


def _mark(detector: Detector, fitted: Pictures, held_out: Pictures, seed: int) -> float:
    """Fit and weigh the evidence as it is, in place; how well it then finds synthetic defects."""
    fit_evidence(detector, fitted, held_out[::2])
    trial = sit_trial(detector, held_out[1::2], seed=seed)
    weigh(detector, trial)
    return objective(trial, detector.spec.evidence, detector.evidence.weights.cpu())
