"""A fitted and calibrated detector on the test pictures: what it would have done to parts whose truth is known.

In: test samples with their scores and heatmaps, the calibration. Out: `Evaluation`. Chooses nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detector.calibration import Calibration
from detector.verdict import Verdict, judge
from training.calibrate import Scores
from training.data import GOOD, Sample, load_mask
from training.metrics import aupro, auroc, auroc_interval


@dataclass(frozen=True)
class ScoredPart:
    """One picture and what became of it."""

    path: str
    label: str
    """`good` or the kind of defect."""
    score: float
    verdict: str
    role: str
    """`calibrate` or `test`; `compare` for pictures of no run."""

    @property
    def is_defective(self) -> bool:
        """Whether the part should be rejected."""
        return self.label != GOOD


@dataclass(frozen=True)
class Evaluation:
    """Every part, and the figures over the test pictures; a figure they cannot give is left out."""

    parts: tuple[ScoredPart, ...]
    metrics: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """What scores.json holds."""
        return {"metrics": self.metrics, "parts": [asdict(part) for part in self.parts]}


def judge_parts(samples: Sequence[Sample], scored: Scores, calibration: Calibration, role: str) -> list[ScoredPart]:
    """Samples with the verdicts that the service would give."""
    return [
        ScoredPart(str(sample.path), sample.label, float(score), str(judge(float(score), calibration).verdict), role)
        for sample, score in zip(samples, scored.scores, strict=True)
    ]


def measure(samples: Sequence[Sample], scored: Scores, calibration: Calibration) -> dict[str, float]:
    """Image AUROC with its 95 % interval, pixel AUROC and AUPRO where masks exist, false rejects, escapes."""
    defective = np.array([sample.is_defective for sample in samples], bool)
    verdicts = [judge(float(score), calibration).verdict for score in scored.scores]
    good_verdicts = [verdict for verdict, bad in zip(verdicts, defective, strict=True) if not bad]
    bad_verdicts = [verdict for verdict, bad in zip(verdicts, defective, strict=True) if bad]
    metrics: dict[str, float] = {}
    if good_verdicts:
        metrics["false_reject_rate"] = good_verdicts.count(Verdict.NG) / len(good_verdicts)
        metrics["review_rate"] = good_verdicts.count(Verdict.REVIEW) / len(good_verdicts)
    if bad_verdicts:
        metrics["escape_rate"] = bad_verdicts.count(Verdict.OK) / len(bad_verdicts)
    if good_verdicts and bad_verdicts:
        area = auroc(scored.scores, defective)
        low, high = auroc_interval(area, len(bad_verdicts), len(good_verdicts))
        metrics |= {"image_auroc": area, "image_auroc_low": low, "image_auroc_high": high}
    return metrics | _pixel_metrics(samples, scored)


def _pixel_metrics(samples: Sequence[Sample], scored: Scores) -> dict[str, float]:
    """At the detector's input size, over good pictures and those defective ones that have a mask."""
    rows = [row for row, sample in enumerate(samples) if sample.mask is not None or not sample.is_defective]
    if not any(samples[row].mask for row in rows):
        return {}
    maps = scored.heatmaps[rows]
    masks = np.zeros(maps.shape, bool)
    for place, row in enumerate(rows):
        if (file := samples[row].mask) is not None:
            masks[place] = load_mask(file, height=maps.shape[1], width=maps.shape[2])
    if not masks.any() or masks.all():
        return {}
    return {"pixel_auroc": auroc(maps.ravel(), masks.ravel()), "aupro": aupro(maps, masks)}
