"""The Kolmogorov-Smirnov distance against distribution functions counted anew for every record."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.weights import weights
from pynomaly.domain.detectors.kolmogorov_smirnov import KOLMOGOROV_SMIRNOV, KolmogorovSmirnovOptions


def _moments(learned: list[float], half_life: float) -> tuple[float, float]:
    shares = weights(len(learned), half_life)
    mean = learned[-1] + float(shares @ (np.array(learned) - learned[-1]))
    return mean, sqrt(float(shares @ (np.array(learned) - mean) ** 2))


def _plain_scores(values: NDArray[np.float64], options: KolmogorovSmirnovOptions) -> list[float]:
    learned: list[float] = []
    places: list[int] = []
    scores: list[float] = []
    for count, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        value, before = x, 0.0
        if count > 0:
            before, sd = _moments(learned, options.long_half_life)
            if count >= 2 and sd > 1e-12 * abs(before):
                value = min(max(x, before - 100 * sd), before + 100 * sd)
        learned.append(value)
        mean, sd = _moments(learned, options.long_half_life)
        z = (value - mean) / sd if sd > 1e-12 * abs(before) else 0.0
        places.append(min(int((z / (1 + abs(z)) + 1) / 2 * options.bins), options.bins - 1))
        short = np.bincount(places, weights(len(places), options.short_half_life), options.bins)
        long = np.bincount(places, weights(len(places), options.long_half_life), options.bins)
        scores.append(float(np.abs(np.cumsum(short - long)).max()) if count >= options.warm_up else nan)
    return scores


@pytest.mark.parametrize(
    "options",
    [KolmogorovSmirnovOptions(), KolmogorovSmirnovOptions(short_half_life=5.0, long_half_life=60.0, warm_up=2)],
    ids=["default", "short"],
)
def test_equals_distribution_functions_counted_anew(
    values: NDArray[np.float64], options: KolmogorovSmirnovOptions
) -> None:
    """Every score is the largest difference of the two distribution functions at the ends of the bins."""
    values = values[:300]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(KOLMOGOROV_SMIRNOV, options, values), expected, rtol=1e-6, atol=1e-9)


def test_values_that_crowd_stand_out() -> None:
    """A hundred records at a quarter of the usual spread, none of them strange, exceed 2,000 records before."""
    values = np.random.default_rng(9).normal(size=2_100)
    values[2_000:] = 0.25 * values[2_000:]
    scores = scores_of(KOLMOGOROV_SMIRNOV, KolmogorovSmirnovOptions(), values)
    assert scores[2_000:].max() > np.nanmax(scores[200:2_000])
