"""Figures whose right answer is known without the code."""

import numpy as np
import pytest

from training.metrics import aupro, auroc, auroc_interval


def test_auroc_counts_pairs_and_ties_half() -> None:
    scores, positive = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert auroc(scores, positive) == pytest.approx(3.5 / 4)


def test_the_interval_holds_the_area_and_does_not_collapse_at_1() -> None:
    low, high = auroc_interval(0.8, 50, 50)
    assert 0.65 < low < 0.8 < high < 0.92
    low, high = auroc_interval(1.0, 10, 10)
    assert 0.6 < low < 1
    assert high == 1


def test_aupro_is_1_for_the_truth_and_every_region_weighs_the_same() -> None:
    masks = np.zeros((1, 40, 40), bool)
    masks[0, :20, :20] = True
    masks[0, 30:32, 30:32] = True
    assert aupro(masks.astype(np.float32), masks) == pytest.approx(1)
    only_large = np.zeros((1, 40, 40), np.float32)
    only_large[0, :20, :20] = 1
    assert aupro(only_large, masks) == pytest.approx(0.5, abs=0.01)
