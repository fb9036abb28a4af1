"""Distance to the k-th nearest neighbour against sorting all distances."""

from __future__ import annotations

from collections import deque
from math import dist, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores
from pynomaly.domain.detectors.window_knn import WINDOW_KNN, WindowKnnOptions


def _plain_scores(values: NDArray[np.float64], options: WindowKnnOptions) -> list[float]:
    scales, given = Scales(values.shape[1], options.half_life, options.warm_up), []
    window: deque[NDArray[np.float64]] = deque(maxlen=options.window)
    for n, row in enumerate(values):
        z, warm = scales.z(row), n >= max(options.warm_up, options.neighbours)
        given.append(sorted(dist(z, other) for other in window)[options.neighbours - 1] if warm else nan)
        scales.learn(row)
        window.append(scales.z(row))
    return given


@pytest.mark.parametrize(
    "options",
    [
        WindowKnnOptions(neighbours=1, window=50, warm_up=10),
        WindowKnnOptions(neighbours=30, window=30, half_life=20.0),
        WindowKnnOptions(neighbours=5, warm_up=2),
    ],
    ids=["nearest", "farthest", "default window"],
)
def test_equals_sorting(options: WindowKnnOptions) -> None:
    """Scores are exact distances, but for the single precision in which records are kept."""
    expected = _plain_scores(rows(), options)
    np.testing.assert_allclose(scores(WINDOW_KNN, options, rows()), expected, rtol=1e-5, atol=1e-6)
