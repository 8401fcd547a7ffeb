"""How well scores and anomaly maps separate good from defective. Reported, never chosen on.

In: scores (N,) and labels, or maps (N,H,W) and masks. Out: figures in [0, 1]. Refuses nothing: a figure that the test
pictures cannot give is left out by the caller.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score

MAX_FALSE_POSITIVE_RATE = 0.3  # AUPRO's usual limit (Bergmann et al. 2020)
AUPRO_STEPS = 300
Z95 = 1.959964

Scores = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


def auroc(scores: Scores, positive: Mask) -> float:
    """Area under the ROC curve, ties counted half; both classes must be there."""
    return float(roc_auc_score(positive, scores))


def auroc_interval(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % score interval of an AUROC (Newcombe 2006, method 5); unlike Wald's it does not collapse at 1."""

    def excess(theta: float) -> float:
        half = (positives + negatives) / 2 - 1
        spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(theta - area) - Z95 * math.sqrt(theta * (1 - theta) * spread / (positives * negatives))

    inside = min(max(area, 1e-9), 1 - 1e-9)  # at 0 and 1 the spread is 0, which is a root of its own
    low = brentq(excess, 1e-9, inside) if area > 0 and excess(1e-9) > 0 else 0.0
    high = brentq(excess, inside, 1 - 1e-9) if area < 1 and excess(1 - 1e-9) > 0 else 1.0
    return float(low), float(high)


def aupro(maps: npt.NDArray[np.float32], masks: Mask) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate of 0.3, divided by 0.3.

    (N,H,W) each. Every connected defect weighs the same, however small (Bergmann et al. 2020).
    """
    good = np.sort(maps[~masks])
    rates = np.linspace(0, MAX_FALSE_POSITIVE_RATE, AUPRO_STEPS)
    ranks = np.clip(np.floor((1 - rates) * len(good)).astype(int), 0, len(good) - 1)
    thresholds = good[ranks]
    overlaps = []
    for heatmap, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        for region in range(1, count + 1):
            values = np.sort(heatmap[labels == region])
            overlaps.append(1 - np.searchsorted(values, thresholds, side="right") / len(values))
    return float(np.trapezoid(np.mean(overlaps, axis=0), rates) / MAX_FALSE_POSITIVE_RATE)
