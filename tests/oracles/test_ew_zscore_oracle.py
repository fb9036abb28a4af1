"""The z-score against weights written out record by record, and NumPy's weighted mean."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.weights import weights
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions


def _plain_scores(values: NDArray[np.float64], options: EwZScoreOptions) -> list[float]:
    scores: list[float] = []
    learned: list[float] = []
    for x in np.clip(values, -1e150, 1e150).tolist():
        if len(learned) < options.warm_up:
            scores.append(nan)
            learned.append(x)
            continue
        shares = weights(len(learned), options.half_life)
        mean = float(np.average(learned, weights=shares))
        sd = sqrt(float(np.average((np.array(learned) - mean) ** 2, weights=shares)))
        if sd > 1e-12 * abs(mean):
            scores.append(min(abs(x - mean) / sd, 1e12))
            learned.append(min(max(x, mean - 100 * sd), mean + 100 * sd))
        else:
            scores.append(0.0 if abs(x - mean) <= 1e-12 * abs(mean) else 10.0)
            learned.append(x)
    return scores


@pytest.mark.parametrize(
    "options",
    [EwZScoreOptions(), EwZScoreOptions(half_life=15.0, warm_up=2), EwZScoreOptions(half_life=1e6, warm_up=50)],
    ids=["default", "short", "long"],
)
def test_equals_written_outweights(values: NDArray[np.float64], options: EwZScoreOptions) -> None:
    """Every score is the distance from the weighted mean in weighted standard deviations of the records before."""
    values = values[:400]
    layout = EW_ZSCORE.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for x in values.tolist():
        scores.append(EW_ZSCORE.score(state, params, x, 0))
        EW_ZSCORE.learn(state, params, x, 0)
    np.testing.assert_allclose(scores, _plain_scores(values, options), rtol=1e-6, atol=1e-6)
