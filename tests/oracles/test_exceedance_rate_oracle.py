"""The share of far values against weights written out."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.weights import weights
from pynomaly.domain.detectors.exceedance_rate import EXCEEDANCE_RATE, ExceedanceRateOptions


def _plain_scores(values: NDArray[np.float64], options: ExceedanceRateOptions) -> list[float]:
    learned: list[float] = []
    far: list[bool] = []
    scores: list[float] = []
    for x in np.clip(values, -1e150, 1e150).tolist():
        score, value = nan, x
        if len(learned) >= options.warm_up:
            shares = weights(len(learned), options.long_half_life)
            mean = float(np.average(learned, weights=shares))
            sd = sqrt(float(np.average((np.array(learned) - mean) ** 2, weights=shares)))
            if sd > 1e-12 * abs(mean):
                far.append(abs(x - mean) / sd > options.sds)
                value = min(max(x, mean - 10 * sd), mean + 10 * sd)
            else:
                far.append(options.sds < 10 and abs(x - mean) > 1e-12 * abs(mean))
            decay = 0.5 ** (1 / options.short_half_life)
            score = sum((1 - decay) * decay**age for age, was in enumerate(reversed(far)) if was)
        learned.append(value)
        scores.append(score)
    return scores


@pytest.mark.parametrize(
    "options",
    [
        ExceedanceRateOptions(sds=2.05),
        ExceedanceRateOptions(sds=1.0, short_half_life=4.0, long_half_life=50.0, warm_up=2),
    ],
    ids=["default", "short"],
)
def test_equals_written_outweights(values: NDArray[np.float64], options: ExceedanceRateOptions) -> None:
    """Every score is the weight of the recent values that were far from the mean of the values before them."""
    values = values[:400]
    layout = EXCEEDANCE_RATE.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for x in values.tolist():
        scores.append(EXCEEDANCE_RATE.score(state, params, x, 0))
        EXCEEDANCE_RATE.learn(state, params, x, 0)
    np.testing.assert_allclose(scores, _plain_scores(values, options), rtol=1e-9, atol=1e-12)
