"""Scores, maps and the truth → every figure of a row; the same code for every method.

In: `Scored` test pictures and the threshold that the calibration pictures set. Out: figures by name; those that need
masks are None where a product has none. Refuses nothing. Nothing here chooses a threshold.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from scoring import Map, Scored
from sklearn.metrics import average_precision_score, f1_score

from detector.calibration import conformal_quantile
from training.data import Sample, load_mask
from training.metrics import aupro, auroc, auroc_interval

CONFIDENCE = 0.95

Figures = dict[str, float | None]
Masks = npt.NDArray[np.bool_]


def threshold_for(promise: float, calibration_scores: npt.NDArray[np.float64]) -> float:
    """The service's own rule (split conformal), for every method."""
    return conformal_quantile(sorted(calibration_scores.tolist()), promise)


def image_figures(samples: Sequence[Sample], scored: Scored, threshold: float) -> Figures:
    """AUROC, AP: no threshold. F1, false rejects (Wilson's 95 % interval), misses: at `threshold`."""
    truth = np.array([sample.is_defective for sample in samples])
    rejected = scored.scores > threshold
    area = auroc(scored.scores, truth)
    low, high = auroc_interval(area, int(truth.sum()), int((~truth).sum()))
    rejects, good = int(rejected[~truth].sum()), int((~truth).sum())
    interval = binomtest(rejects, good).proportion_ci(CONFIDENCE, method="wilson")
    return {
        "image_auroc": area,
        "image_auroc_low": low,
        "image_auroc_high": high,
        "image_ap": float(average_precision_score(truth, scored.scores)),
        "f1": float(f1_score(truth, rejected)),
        "false_reject_rate": rejects / good,
        "false_reject_rate_low": float(interval.low),
        "false_reject_rate_high": float(interval.high),
        "miss_rate": float((~rejected[truth]).mean()),
    }


def pixel_figures(maps: Map, masks: Masks) -> Figures:
    """Pixel AUROC and AUPRO up to 30 % false positives, of `marked_pictures`."""
    if not masks.any():
        return {"pixel_auroc": None, "aupro": None}
    return {"pixel_auroc": auroc(maps.ravel(), masks.ravel()), "aupro": aupro(maps, masks)}


def marked_pictures(samples: Sequence[Sample], maps: Map) -> tuple[Map, Masks]:
    """Maps and masks (N,H,W), at the maps' size, of good pictures and of those defective ones that have a mask."""
    rows = [row for row, sample in enumerate(samples) if sample.mask is not None or not sample.is_defective]
    masks = np.zeros((len(rows), *maps.shape[1:]), bool)
    for place, row in enumerate(rows):
        if (file := samples[row].mask) is not None:
            masks[place] = load_mask(file, height=maps.shape[1], width=maps.shape[2])
    return maps[rows], masks
