"""judge(score, calibration) → ok, review or ng. Pure: an audit can replay it.

Refuses: a score that is not finite (`ScoreNotFinite`). An error is never an OK verdict.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from detector.calibration import Calibration
from detector.errors import ScoreNotFinite


class Verdict(StrEnum):
    """What becomes of the part."""

    OK = "ok"
    REVIEW = "review"
    NG = "ng"


@dataclass(frozen=True)
class Judgement:
    """A verdict and the number that decided it."""

    verdict: Verdict
    score: float
    decided_by: float
    """The threshold that the score exceeded (`ng`, `review`), or the one it did not (`ok`)."""


def judge(score: float, calibration: Calibration) -> Judgement:
    """Compare one anomaly score with the thresholds; a score equal to a threshold does not exceed it."""
    if not math.isfinite(score):
        raise ScoreNotFinite(f"the anomaly score is {score}; no verdict can be given")
    if score > calibration.ng_above:
        return Judgement(Verdict.NG, score, calibration.ng_above)
    if score > calibration.review_above:
        return Judgement(Verdict.REVIEW, score, calibration.review_above)
    return Judgement(Verdict.OK, score, calibration.review_above)
