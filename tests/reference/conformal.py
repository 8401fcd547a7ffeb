"""Slow, obvious conformal prediction: thresholds by counting, and how often a promise is kept by simulation."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt


def quantile(scores: Sequence[float], rate: Fraction) -> float | None:
    """The smallest score t such that a new, exchangeable score exceeds t with probability at most `rate`.

    Of n + 1 scores of which the new one is any with equal chance, at most n + 1 - #{s <= t} are above t.
    None when not even the largest will do.
    """
    count = len(scores)
    for threshold in sorted(scores):
        not_above = sum(score <= threshold for score in scores)
        if Fraction(count + 1 - not_above, count + 1) <= rate:
            return threshold
    return None


def images_needed(rate: Fraction) -> int:
    """By trying one more until the promise can be made."""
    count = 0
    while Fraction(1, count + 1) > rate:
        count += 1
    return count


def draws(seed: int, trials: int, count: int) -> npt.NDArray[np.float64]:
    """(trials, count) good scores with the long right tail that anomaly scores have."""
    return np.random.default_rng(seed).lognormal(size=(trials, count))
