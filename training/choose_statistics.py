"""Stage 3, its first question: do good parts lie alike? Statistics per location if they do; pooled, or the nearest of
what good parts have anywhere, if they do not.

In: a detector whose networks are fitted, good pictures (N,H,W,3) uint8 that they were fitted on and held-out ones.
Out: its evidence of the best kind with the distributions of features, in place, and the mark of either kind. No label
and no test picture is looked at. Refuses what `fit_evidence` does.

Each kind is measured on one half of the held-out pictures and sits, on the other half, the trial that fusion weights
are chosen by: it finds synthetic defects, the same for both. The likelihood of held-out features was tried as well, and
was wrong twice in nine where the defects never were (docs/method.md).
"""

from collections.abc import Mapping

from detector.build import build_evidence
from detector.pipeline import Detector
from detector.spec import FEATURES, DetectorSpec, Statistics
from training.fit_evidence import fit_evidence
from training.fit_fusion import objective, sit_trial, weigh
from training.memory import Eye
from training.rebuild import Pictures
from training.statistics_size import is_too_large, with_statistics

USUAL: Statistics = "per-location"
OTHERS: tuple[Statistics, ...] = ("nearest", "pooled")
KINDS: tuple[Statistics, ...] = (USUAL, *OTHERS)
FEWEST = 16  # held-out pictures: of fewer, half are too few to judge by
# What another kind must be better by. Per location costs little where it is wrong and was up to 0.12 of image AUROC
# better where it is right, and with some dozen pictures a mark is luck by more than this (ours, docs/method.md).
MARGIN = 0.02


def choose_statistics(
    detector: Detector, fitted: Pictures, held_out: Pictures, *, seed: int, eye: Eye | None = None
) -> dict[str, float]:
    """Kind → its mark in [0, 1]; empty where the spec has no statistics of a kind, there are too few pictures, or
    training/design.py has left only pooled ones, because others would not fit into memory."""
    per_location = with_statistics(detector.spec, "per-location")
    if len(held_out) < FEWEST or not has_statistics(detector.spec) or is_too_large(per_location, detector.backbone):
        return {}
    marks: dict[Statistics, float] = {}
    evidences = {}
    for kind in kinds_for(detector.spec):
        marks[kind], evidences[kind] = mark_of(kind, detector, fitted, held_out, seed=seed, eye=eye), detector.evidence
    kind = best_kind(marks)
    detector.spec, detector.evidence = with_statistics(detector.spec, kind), evidences[kind]
    return {str(kind): mark for kind, mark in marks.items()}


def best_kind(marks: Mapping[Statistics, float]) -> Statistics:
    """The usual one; another, in the order of `OTHERS`, where it beats the one taken so far by `MARGIN`."""
    best = USUAL
    for kind in OTHERS:
        if marks.get(kind, 0) >= marks[best] + MARGIN:
            best = kind
    return best


def kinds_for(spec: DetectorSpec) -> tuple[Statistics, ...]:
    """Those that differ for this spec: residuals have no neighbours to be near to."""
    return KINDS if reads_features(spec) else tuple(kind for kind in KINDS if kind != "nearest")


def has_statistics(spec: DetectorSpec) -> bool:
    """Whether any map of the spec is measured by statistics of a kind."""
    evidence = spec.evidence
    return reads_features(spec) or (bool(evidence.residuals) and evidence.standardise != "none")


def reads_features(spec: DetectorSpec) -> bool:
    """Whether any of its evidence is features."""
    return any(source in spec.evidence.maps for source in FEATURES)


def mark_of(
    kind: Statistics,
    detector: Detector,
    fitted: Pictures,
    held_out: Pictures,
    *,
    seed: int,
    eye: Eye | None = None,
) -> float:
    """Fit and weigh evidence of this kind, in place; how well it then finds synthetic defects, in [0, 1]."""
    detector.spec = with_statistics(detector.spec, kind)
    detector.evidence = build_evidence(detector.spec, detector.backbone).to(detector.evidence.weights.device).eval()
    fit_evidence(detector, fitted, held_out[::2], eye)
    trial = sit_trial(detector, held_out[1::2], seed=seed, eye=eye)
    weigh(detector, trial)
    return objective(trial, detector.spec.evidence, detector.evidence.weights.cpu())
