"""Scores of good parts → thresholds that keep a promise.

In: anomaly scores of good parts that took no part in training. Out: `Calibration`.
Refuses: too few scores for the promise (`PromiseTooSmall`), scores that are not finite (`CalibrationError`).

Split conformal prediction (Vovk et al. 2005; Angelopoulos & Bates 2023, eq. 1): with n exchangeable good
scores, the ceil((n + 1)(1 - a))-th smallest is exceeded by a new good part with probability at most a.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from detector.errors import CalibrationError, PromiseTooSmall


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Readable numbers: an audit can replay them, and changing one needs no device."""

    revision: int
    """Counts from 1; a new threshold is a new revision."""
    promise: float
    """Promised false-reject rate: share of good parts that may be judged `ng`, in (0, 1)."""
    review_rate: float
    """Share of good parts that may land in the review band below `ng`, in [0, 1)."""
    ng_above: float
    """A score above this is `ng`."""
    review_above: float
    """A score above this, and not above `ng_above`, is `review`; equal to `ng_above` when there is no band."""
    map_floor: float
    """Median anomaly-map value over good parts: black on the fixed heatmap scale, whose centre is `ng_above`."""
    scores: tuple[float, ...]
    """The calibration sample, ascending: what-if, drift and audits start from it."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.scores, self.ng_above, self.review_above, self.map_floor))):
            raise CalibrationError("a calibration must hold finite numbers only")
        if self.review_above > self.ng_above:
            raise CalibrationError(f"review threshold {self.review_above} is above ng threshold {self.ng_above}")
        if self.map_floor >= self.ng_above:
            raise CalibrationError(f"map floor {self.map_floor} is not below the ng threshold {self.ng_above}")


def calibrate(scores: Sequence[float], *, promise: float, review_rate: float, map_floor: float) -> Calibration:
    """Set both thresholds from `scores` of good parts never trained on.

    Raises `PromiseTooSmall` when len(scores) < 1/promise - 1, `CalibrationError` when the numbers make no sense.
    """
    if not 0 < promise < 1 or not 0 <= review_rate < 1 - promise:
        raise CalibrationError(f"need 0 < promise and promise + review rate < 1, not {promise} and {review_rate}")
    ordered = tuple(sorted(float(score) for score in scores))
    return Calibration(
        revision=1,
        promise=promise,
        review_rate=review_rate,
        ng_above=conformal_quantile(ordered, promise),
        review_above=conformal_quantile(ordered, promise + review_rate),
        map_floor=map_floor,
        scores=ordered,
    )


def conformal_quantile(ordered: Sequence[float], rate: float) -> float:
    """The smallest of the ascending scores that a new good part exceeds with probability at most `rate`."""
    count = len(ordered)
    # as the decimal that was written, so that 0.05 of 19 is exactly the 19th and not pushed over by a rounding
    rank = math.ceil((count + 1) * (1 - Fraction(str(rate))))
    if rank > count:
        raise PromiseTooSmall(
            f"{count} good images can promise a false-reject rate of {smallest_promise(count):.2%} at best, "
            f"not {rate:.2%}; {images_needed(rate)} would do"
        )
    return ordered[rank - 1]


def smallest_promise(count: int) -> float:
    """The smallest false-reject rate that `count` calibration images can promise: 1 / (count + 1)."""
    return 1 / (count + 1)


def images_needed(promise: float) -> int:
    """How many calibration images a promise in (0, 1) needs: the least n with 1 / (n + 1) <= promise."""
    return math.ceil(1 / Fraction(str(promise))) - 1
