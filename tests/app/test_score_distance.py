"""PSI and Kolmogorov-Smirnov, against SciPy and against chance."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import kolmogi, rel_entr
from scipy.stats import chi2, ks_2samp

from app.score_distance import BINS, CHI2_LIMIT, SIGNIFICANCE, Scores, compare, ks, ks_limit, psi

SCORES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-4, 4).map(lambda number: number / 2))


@settings(max_examples=30, deadline=None)
@given(SCORES, SCORES)
def test_ks_is_scipys_also_with_ties(first: Scores, second: Scores) -> None:
    assert ks(first, second) == pytest.approx(ks_2samp(first, second, method="asymp").statistic)


@settings(max_examples=30, deadline=None)
@given(SCORES, SCORES)
def test_psi_is_the_symmetric_relative_entropy_of_the_binned_shares(first: Scores, second: Scores) -> None:
    deciles = np.sort(first)[np.ceil(np.arange(1, 10) * len(first) / 10).astype(int) - 1]
    edges = [-np.inf, *np.unique(deciles), np.inf]

    def shares(sample: Scores) -> Scores:
        counts = [np.sum((low < sample) & (sample <= high)) + 0.5 for low, high in pairwise(edges)]
        return np.array(counts) / sum(counts)

    before, now = shares(first), shares(second)
    assert psi(first, second) == pytest.approx(float(np.sum(rel_entr(now, before) + rel_entr(before, now))))


def test_limits_are_scipys_quantiles() -> None:
    assert pytest.approx(chi2.ppf(1 - SIGNIFICANCE, BINS - 1), abs=0.001) == CHI2_LIMIT
    assert ks_limit(100, 100) == pytest.approx(kolmogi(SIGNIFICANCE) * np.sqrt(0.02), rel=0.001)


def test_samples_of_one_population_are_rarely_apart_and_a_shift_of_one_sigma_always_is() -> None:
    random = np.random.default_rng(0)
    same = [compare(random.normal(size=83), random.normal(size=200)).is_out for _ in range(400)]
    shifted = [compare(random.normal(size=83), random.normal(1, 1, 200)).is_out for _ in range(50)]
    assert sum(same) <= 1
    assert all(shifted)
