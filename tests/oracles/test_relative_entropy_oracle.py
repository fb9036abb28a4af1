"""The divergence against histograms counted anew for every record, with weights written out."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.weights import weights
from pynomaly.domain.detectors.relative_entropy import RELATIVE_ENTROPY, RelativeEntropyOptions


def _place(x: float, learned: list[float], options: RelativeEntropyOptions) -> int:
    """Return the bin of the last of the learned values, standardised by all of them."""
    shares = weights(len(learned), options.long_half_life)
    before = float(np.average(learned[:-1], weights=weights(len(learned) - 1, options.long_half_life)))
    mean = float(np.average(learned, weights=shares))
    sd = sqrt(float(np.average((np.array(learned) - mean) ** 2, weights=shares)))
    z = (x - mean) / sd if sd > 1e-12 * abs(before) else 0.0
    return min(int((z / (1 + abs(z)) + 1) / 2 * options.bins), options.bins - 1)


def _plain_scores(values: NDArray[np.float64], options: RelativeEntropyOptions) -> list[float]:
    learned: list[float] = []
    places: list[int] = []
    scores: list[float] = []
    for count, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        value = x
        if count >= 2:
            shares = weights(count, options.long_half_life)
            mean = float(np.average(learned, weights=shares))
            sd = sqrt(float(np.average((np.array(learned) - mean) ** 2, weights=shares)))
            if sd > 1e-12 * abs(mean):
                value = min(max(x, mean - 100 * sd), mean + 100 * sd)
        learned.append(value)
        places.append(_place(value, learned, options) if count else _place(value, [value, value], options))
        short = np.bincount(places, weights(len(places), options.short_half_life), options.bins)
        long = np.bincount(places, weights(len(places), options.long_half_life), options.bins)
        here = short > 0
        divergence = float(np.sum(short[here] * np.log(short[here] / (long[here] + 1e-3))))
        scores.append(max(divergence, 0.0) if count >= options.warm_up else nan)
    return scores


@pytest.mark.parametrize(
    "options",
    [RelativeEntropyOptions(), RelativeEntropyOptions(short_half_life=5.0, long_half_life=60.0, bins=7, warm_up=2)],
    ids=["default", "short"],
)
def test_equals_histograms_counted_anew(values: NDArray[np.float64], options: RelativeEntropyOptions) -> None:
    """Every score is KL(short || long) over the bins of all values so far, the last one included."""
    values = values[:400]
    layout = RELATIVE_ENTROPY.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for x in values.tolist():
        scores.append(RELATIVE_ENTROPY.score(state, params, x, 0))
        RELATIVE_ENTROPY.learn(state, params, x, 0)
    np.testing.assert_allclose(scores, _plain_scores(values, options), rtol=1e-6, atol=1e-9)
