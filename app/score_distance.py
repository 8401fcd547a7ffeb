"""How far the scores of late are from those of calibration: PSI and the Kolmogorov-Smirnov distance, with limits.

In: two samples of scores. Out: the distances, and what chance alone would rarely give. Refuses: an empty sample
(ValueError). Pure.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

BINS = 10  # of the PSI: deciles of the calibration sample, as is usual
CHI2_LIMIT = 27.877
"""Quantile 0.999 of χ² with BINS − 1 degrees of freedom."""
SIGNIFICANCE = 0.001
"""Of both limits: windows overlap and are looked at again and again, so 0.05 would cry every day."""
LARGE_PSI = 0.25
"""A shift worth acting on, whatever the sample (Siddiqi 2006, Credit Risk Scorecards)."""


@dataclass(frozen=True)
class Distance:
    """Of two samples; over both limits it is no chance, and large enough to matter."""

    psi: float
    psi_limit: float
    ks: float
    ks_limit: float

    @property
    def is_out(self) -> bool:
        """Whether the scores are another population's."""
        return self.psi > self.psi_limit and self.ks > self.ks_limit


def compare(reference: Scores, recent: Scores) -> Distance:
    """Distance of (m,) recent scores from (n,) reference ones."""
    counts = len(reference), len(recent)
    return Distance(psi(reference, recent), psi_limit(*counts), ks(reference, recent), ks_limit(*counts))


def psi(reference: Scores, recent: Scores) -> float:
    """Population stability index Σ (q − p) ln(q / p) over deciles of the reference.

    Half a count is added to each bin, or an empty one would make it infinite; ties may leave fewer bins.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    shares = []
    for sample in (reference, recent):
        counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    before, now = shares
    return float(np.sum((now - before) * np.log(now / before)))


def psi_limit(reference: int, recent: int) -> float:
    """At least LARGE_PSI; for small samples the quantile of (1/n + 1/m) χ², which PSI follows (Yurdakul 2018)."""
    return max(LARGE_PSI, (1 / reference + 1 / recent) * CHI2_LIMIT)


def ks(reference: Scores, recent: Scores) -> float:
    """sup |F − G| of the two empirical distributions."""
    both = np.sort(np.concatenate((reference, recent)))
    first, second = (
        np.searchsorted(np.sort(sample), both, side="right") / len(sample) for sample in (reference, recent)
    )
    return float(np.abs(first - second).max())


def ks_limit(reference: int, recent: int) -> float:
    """√(−½ ln(α/2)) √(1/n + 1/m): the large-sample quantile (Smirnov 1948)."""
    return math.sqrt(-0.5 * math.log(SIGNIFICANCE / 2) * (1 / reference + 1 / recent))
