"""Figures and verdicts in words that a process engineer can act on.

In: an `Evaluation` and its calibration, or one `Judgement`. Out: rows for people.
Chooses nothing and computes no figure anew but counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.calibration import Calibration, smallest_promise
from detector.spec import Standardise, Statistics
from detector.verdict import Judgement, Verdict
from training.data import GOOD
from training.evaluate import Evaluation, ScoredPart

VERDICTS = {Verdict.OK: "ok: passes", Verdict.REVIEW: "review: a person looks", Verdict.NG: "ng: rejected"}
KINDS_IN_WORDS: dict[Statistics | Standardise, str] = {
    "per-location": "per location (what is normal at this place of the part)",
    "pooled": "pooled (what is normal, wherever)",
    "nearest": "by nearest neighbours (what good parts have anywhere)",
    "none": "as they are",
}
REJECTS = (
    "Good test parts that the line would throw away. The promise holds on average, for parts like the calibration "
    "pictures; far over it, the test parts are not like those."
)
REVIEWS = "Good test parts that a person would look at: between the two thresholds."
ESCAPES = "Defective test parts judged ok: they leave the line unseen. Fewer escapes cost more false rejects."
CAUGHT = "Defective test parts that a person would look at: neither rejected nor an escape yet."
IMAGE_AUROC = (
    "How often a defective test part scores higher than a good one, both drawn at random: 0.5 is guessing, 1 always. "
    "No threshold enters."
)
PIXEL_AUROC = "The same for single pixels, which the masks mark as defective or not: does the map point at the defect?"
AUPRO = (
    "Share of a marked defect that the map covers, every defect weighing the same, while it wrongly covers up to 30 % "
    "of the other pixels: 1 is best, guessing gives 0.15."
)


@dataclass(frozen=True)
class Figure:
    """One line of the table of figures."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Kind:
    """What became of one kind of defect in the test pictures."""

    label: str
    count: int
    escapes: int
    """Judged `ok`."""
    reviews: int
    median_score: float


def outcome(part: ScoredPart) -> str:
    """A verdict in words, and whether it was the wrong one."""
    words = VERDICTS[Verdict(part.verdict)]
    if part.label == GOOD and part.verdict == Verdict.NG:
        return f"{words} (a false reject)"
    return f"{words} (an escape)" if part.label != GOOD and part.verdict == Verdict.OK else words


def verdict_words(judgement: Judgement) -> str:
    """What becomes of a part, and which number decided it."""
    words, score, decided_by = VERDICTS[judgement.verdict], judgement.score, judgement.decided_by
    if judgement.verdict == Verdict.OK:
        return f"{words}; score {score:.6g} does not exceed {decided_by:.6g}"
    return f"{words}; score {score:.6g} exceeds the {judgement.verdict} threshold {decided_by:.6g}"


def promise_words(promise: float, calibration_pictures: int) -> str:
    """What is promised, and the most that so many calibration pictures could support."""
    best = smallest_promise(calibration_pictures)
    return (
        f"promise: at most {promise:.2%} of good parts rejected; {calibration_pictures} calibration pictures support "
        f"{best:.2%} at best"
    )


def figures(evaluation: Evaluation, calibration: Calibration) -> list[Figure]:
    """Every figure that the test pictures could give, each with what it means."""
    metrics = evaluation.metrics
    rows = [*_verdict_rows(evaluation, calibration)]
    if "image_auroc" in metrics:
        interval = f"(95 %: {metrics['image_auroc_low']:.3f} to {metrics['image_auroc_high']:.3f})"
        rows.append(Figure("Image AUROC", f"{metrics['image_auroc']:.3f} {interval}", IMAGE_AUROC))
    for name, title, meaning in (("pixel_auroc", "Pixel AUROC", PIXEL_AUROC), ("aupro", "AUPRO", AUPRO)):
        if name in metrics:
            rows.append(Figure(title, f"{metrics[name]:.3f}", meaning))
    return rows


def kinds(parts: Sequence[ScoredPart]) -> list[Kind]:
    """Each kind of defect among the test pictures, the most escapes first."""
    defective = [part for part in parts if part.role == "test" and part.label != GOOD]
    by_label = {label: [part for part in defective if part.label == label] for label in {p.label for p in defective}}
    rows = [_kind(label, members) for label, members in by_label.items()]
    return sorted(rows, key=lambda kind: (-kind.escapes / kind.count, kind.median_score))


def _verdict_rows(evaluation: Evaluation, calibration: Calibration) -> list[Figure]:
    test = [part for part in evaluation.parts if part.role == "test"]
    good = [part.verdict for part in test if part.label == GOOD]
    defective = [part.verdict for part in test if part.label != GOOD]
    rows = []
    if good:
        kept = "within the promise" if good.count(Verdict.NG) <= calibration.promise * len(good) else "over the promise"
        rows += [
            Figure("False rejects", f"{_share(good, Verdict.NG)}, promised {calibration.promise:.1%}: {kept}", REJECTS),
            Figure(
                "Good, to review", f"{_share(good, Verdict.REVIEW)}, planned {calibration.review_rate:.1%}", REVIEWS
            ),
        ]
    if defective:
        rows += [
            Figure("Escapes", _share(defective, Verdict.OK), ESCAPES),
            Figure("Defective, to review", _share(defective, Verdict.REVIEW), CAUGHT),
        ]
    return rows


def _kind(label: str, parts: Sequence[ScoredPart]) -> Kind:
    verdicts = [part.verdict for part in parts]
    median = float(np.median([part.score for part in parts]))
    return Kind(label, len(parts), verdicts.count(Verdict.OK), verdicts.count(Verdict.REVIEW), median)


def _share(verdicts: Sequence[str], verdict: Verdict) -> str:
    count = verdicts.count(verdict)
    return f"{count} of {len(verdicts)} ({count / len(verdicts):.1%})"
