"""CUSUM and Page-Hinkley against cumulative sums, their extremes and moments written out."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.plain_moments import PlainMoments
from pynomaly.domain.detectors.cusum import CUSUM, CusumOptions
from pynomaly.domain.detectors.page_hinkley import PAGE_HINKLEY, PageHinkleyOptions


def _plain_scores(
    values: NDArray[np.float64], options: CusumOptions | PageHinkleyOptions, half_life: float
) -> list[float]:
    """Sum up z - drift and z + drift, and compare the sums with their minimum and maximum since the restart."""
    moments = PlainMoments(half_life, clip=5.0)
    scores: list[float] = []
    rises, falls = [0.0], [0.0]
    for x in np.clip(values, -1e150, 1e150).tolist():
        score = nan
        if moments.count >= options.warm_up:
            distance = x - moments.mean
            z = float(np.copysign(min(moments.sds(abs(distance)), options.clip), distance))
            rises.append(rises[-1] + z - options.drift)
            falls.append(falls[-1] + z + options.drift)
            score = max(rises[-1] - min(rises), max(falls) - falls[-1])
            if score > options.limit:
                rises, falls = [0.0], [0.0]
                moments.count = options.warm_up
        scores.append(score)
        moments.learn(x)
    return scores


@pytest.mark.parametrize(
    "options",
    [CusumOptions(limit=20.3), CusumOptions(drift=0.21, limit=7.3, half_life=50.0, clip=3.0, warm_up=3)],
    ids=["default", "short"],
)
def test_cusum_equals_sums_from_their_extremes(values: NDArray[np.float64], options: CusumOptions) -> None:
    """Every score is how far the sum has come from its extreme since the last restart."""
    values = values[:300]
    expected = _plain_scores(values, options, options.half_life)
    np.testing.assert_allclose(scores_of(CUSUM, options, values), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [PageHinkleyOptions(limit=50.3), PageHinkleyOptions(drift=0.01, limit=9.3, clip=2.0, warm_up=2)],
    ids=["default", "short"],
)
def test_page_hinkley_equals_sums_from_their_extremes(values: NDArray[np.float64], options: PageHinkleyOptions) -> None:
    """The same with the plain mean of all records since the restart."""
    values = values[:300]
    expected = _plain_scores(values, options, half_life=1e9)
    np.testing.assert_allclose(scores_of(PAGE_HINKLEY, options, values), expected, rtol=1e-6, atol=1e-5)


def test_a_shift_of_one_sd_stands_out() -> None:
    """Within 40 records of a shift that no record shows, CUSUM exceeds everything in 2,000 records before."""
    values = np.random.default_rng(3).normal(size=2_100)
    values[2_000:] += 1.0
    scores = scores_of(CUSUM, CusumOptions(), values)
    assert scores[2_000:2_040].max() > np.nanmax(scores[:2_000])
    assert np.abs(values[2_000:2_040]).max() < np.abs(values[:2_000]).max()


def test_a_slow_drift_stands_out() -> None:
    """Half a standard deviation in 300 records: Page-Hinkley exceeds everything in 2,000 records before."""
    values = np.random.default_rng(4).normal(size=2_300)
    values[2_000:] += np.linspace(0.0, 0.5, 300)
    scores = scores_of(PAGE_HINKLEY, PageHinkleyOptions(), values)
    assert scores[2_000:].max() > np.nanmax(scores[:2_000])
