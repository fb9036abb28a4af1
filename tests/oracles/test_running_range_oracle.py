"""The running range against minimum and maximum of everything before, taken anew for every record."""

from __future__ import annotations

from math import log10, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors.running_range import RUNNING_RANGE, RunningRangeOptions


def _plain_score(before: NDArray[np.float64], x: float, options: RunningRangeOptions) -> float:
    if len(before) < options.warm_up:
        return nan
    low, high = float(before.min()), float(before.max())
    if low <= x <= high:
        return 0.0
    distance = low - x if x < low else x - high
    if distance <= 1e-12 * max(abs(low), abs(high)) or distance <= options.tolerance * (high - low):
        return 0.0
    flat = high - low <= 1e-12 * max(abs(low), abs(high))
    ranges = 0.0 if flat else min(distance / (high - low), 1e12)
    return 1 + options.base + options.slope * log10(1 + 100 * ranges)


def _run(values: NDArray[np.float64], options: RunningRangeOptions) -> tuple[list[float], list[float]]:
    layout = RUNNING_RANGE.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores, expected = [], []
    assert RUNNING_RANGE.expect is not None
    for x in values.tolist():
        scores.append(RUNNING_RANGE.score(state, params, x, 0))
        expected.append(RUNNING_RANGE.expect(state, params, x, 0))
        RUNNING_RANGE.learn(state, params, x, 0)
    return scores, expected


@pytest.mark.parametrize(
    "options",
    [
        RunningRangeOptions(),
        RunningRangeOptions(warm_up=2, base=0.5, slope=2.0),
        RunningRangeOptions(warm_up=20, tolerance=0.05),
    ],
    ids=["default", "early", "tolerant"],
)
def test_equals_extremes_of_all_records_before(values: NDArray[np.float64], options: RunningRangeOptions) -> None:
    """Score and expected value follow from the extremes of all records before."""
    scores, expected = _run(values, options)
    bounded = np.clip(values, -1e150, 1e150)
    plain = [_plain_score(bounded[:i], x, options) for i, x in enumerate(bounded.tolist())]
    np.testing.assert_allclose(scores, plain, rtol=1e-12)
    nearest = [
        nan if i < options.warm_up else float(np.clip(x, bounded[:i].min(), bounded[:i].max()))
        for i, x in enumerate(values)
    ]
    np.testing.assert_array_equal(expected, nearest)


def test_bounds_forget_by_half_lives(values: NDArray[np.float64]) -> None:
    """With a half-life, a bound lies where the largest of all earlier values, each pulled to what came later, lies."""
    options = RunningRangeOptions(warm_up=2, half_life=25.0)
    _, expected = _run(np.append(values, 1e149), options)
    kept = 0.5 ** (1 / 25.0)
    bounded = np.clip(values, -1e150, 1e150)
    high = -np.inf
    for start in range(len(bounded)):
        pulled = bounded[start]
        for later in bounded[start + 1 :]:
            pulled = max(later, kept * pulled + (1 - kept) * later)
        high = max(high, pulled)
    np.testing.assert_allclose(expected[-1], min(high, 1e149), rtol=1e-9)
