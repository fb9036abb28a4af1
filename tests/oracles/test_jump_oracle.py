"""The jump against medians of slices and a list of distances."""

from __future__ import annotations

from math import nan, sqrt
from statistics import median_low

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors.jump import JUMP, JumpOptions


def _plain_scores(values: NDArray[np.float64], options: JumpOptions) -> list[float]:
    bounded = np.clip(values, -1e150, 1e150).tolist()
    distances: list[float] = []
    scores: list[float] = []
    for i, x in enumerate(bounded):
        scale = _scale(distances, options.half_life)
        distance = abs(x - median_low(bounded[i - options.window : i])) if i >= options.window else 0.0
        if i < options.window + options.warm_up:
            scores.append(nan)
        elif len(distances) < options.warm_up:
            scores.append(0.0)
        else:
            scores.append(min(distance / scale, 1e12))
        if distance > 0:
            distances.append(min(distance, options.clip * scale) if len(distances) >= options.warm_up else distance)
    return scores


def _scale(distances: list[float], half_life: float) -> float:
    square = 0.0
    for n, distance in enumerate(distances, 1):
        share = max(1 - 0.5 ** (1 / half_life), 1 / n)
        square = (1 - share) * square + share * distance**2
    return sqrt(square)


@pytest.mark.parametrize(
    "options",
    [JumpOptions(), JumpOptions(window=4, half_life=20.0, clip=2.0, warm_up=3), JumpOptions(window=1)],
    ids=["default", "short", "difference"],
)
def test_equals_medians_of_slices(values: NDArray[np.float64], options: JumpOptions) -> None:
    """Every score is the distance from the median of the values before in root mean squares of such distances."""
    values = values[:400]
    layout = JUMP.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for x in values.tolist():
        scores.append(JUMP.score(state, params, x, 0))
        JUMP.learn(state, params, x, 0)
    np.testing.assert_allclose(scores, _plain_scores(values, options), rtol=1e-9, atol=1e-12)
