"""Intervals: exact ones against published numbers and against SciPy, resampled ones against what is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from composer.evaluation.intervals import exact_share, resampled


def test_the_exact_interval_is_the_published_one() -> None:
    """Clopper, Pearson 1934; 8 of 10 as published tables of it have it: 0.444 to 0.975."""
    low, high = exact_share(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.444, 0.975)
    # none of n: 1 - (alpha/2) ** (1/n), by hand
    assert exact_share(0, 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20), abs=1e-12))
    assert exact_share(20, 20) == (pytest.approx(0.025 ** (1 / 20), abs=1e-12), 1.0)


@pytest.mark.parametrize(("hits", "count"), [(1, 2), (3, 7), (57, 300), (49_000, 50_000)])
def test_the_exact_interval_is_scipys(hits: int, count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for confidence in (0.9, 0.95):
        expected = stats.binomtest(hits, count).proportion_ci(confidence, method="exact")
        assert exact_share(hits, count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval_and_the_same_for_one_seed() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    score = lambda chosen: float(values[chosen].mean())  # noqa: E731
    found = resampled(score, 400, seed=7)
    assert found is not None
    half = 1.96 * values.std() / math.sqrt(400)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    assert resampled(score, 400, seed=7) == found
    assert resampled(score, 400, seed=8) != found


def test_a_score_that_most_draws_do_not_have_has_no_interval() -> None:
    assert resampled(lambda chosen: math.nan, 10, resamples=20) is None
