"""The left matrix profile against every window compared with every earlier one."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pynomaly.domain.detectors.left_matrix_profile import LEFT_MATRIX_PROFILE, LeftMatrixProfileOptions


def _compressed(values: NDArray[np.float64], scale_records: int) -> tuple[NDArray[np.float64], int]:
    """Return the values behind those that the scale is taken from, compressed, and how many were taken."""
    bounded = np.clip(values, -1e150, 1e150)
    differs = np.flatnonzero(np.abs(bounded - bounded[0]) > 1e-12 * abs(bounded[0]))
    if len(differs) == 0:
        return np.zeros(0), len(values)
    first = max(int(differs[0]), 1)
    taken = first + scale_records - 1
    base = np.concatenate([bounded[:1], bounded[first:taken]])
    mean, sd = float(base.mean()), float(base.std())
    if sd > 1e-12 * abs(mean):
        deviations = np.minimum(np.abs(bounded[taken:] - mean) / sd, 1e12)
    else:
        deviations = np.where(np.abs(bounded[taken:] - mean) <= 1e-12 * abs(mean), 0.0, 10.0)
    return np.sign(bounded[taken:] - mean) * np.log1p(deviations), taken


def _plain_scores(values: NDArray[np.float64], options: LeftMatrixProfileOptions) -> list[float]:
    window, warm_up = options.window, options.scale_records + 3 * options.window
    compressed, taken = _compressed(values, options.scale_records)
    scores: list[float] = []
    for i in range(len(values)):
        row = i - taken
        if i < warm_up:
            scores.append(nan)
        elif row < 3 * window:
            scores.append(0.0)
        else:
            windows = sliding_window_view(compressed[: row + 1], window)
            earlier = windows[: len(windows) - window][-(options.horizon - window + 1) :]
            squares = ((earlier - windows[-1]) ** 2).sum(axis=1)
            scores.append(sqrt(float(squares.min()) / window))
    return scores


@pytest.mark.parametrize(
    "options",
    [
        LeftMatrixProfileOptions(),
        LeftMatrixProfileOptions(window=5, horizon=60, scale_records=20),
        LeftMatrixProfileOptions(window=2, horizon=10, scale_records=2),
    ],
    ids=["default", "short", "least"],
)
def test_equals_all_windows_compared(values: NDArray[np.float64], options: LeftMatrixProfileOptions) -> None:
    """Every score is the root mean squared difference to the nearest window within the horizon."""
    layout = LEFT_MATRIX_PROFILE.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for x in values.tolist():
        scores.append(LEFT_MATRIX_PROFILE.score(state, params, x, 0))
        LEFT_MATRIX_PROFILE.learn(state, params, x, 0)
    # Single precision: an error of 1e-7 of a window's sum of squares shows where the distance is near 0.
    np.testing.assert_allclose(scores, _plain_scores(values, options), rtol=1e-4, atol=1.5e-3)
