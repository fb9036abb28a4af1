"""The online decomposition against systems of all trends so far, solved anew for every record."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import hours, scores_of
from oracles.plain_moments import PlainMoments, clipped_error, in_scales
from pynomaly.domain.detectors.oneshot_stl import ONESHOT_STL, OneShotStlOptions

_Floats = NDArray[np.float64]


class _Iteration:
    """The penalised least squares of one iteration over the trends of all records."""

    def __init__(self, size: int) -> None:
        self._left, self._right, self._count = np.zeros((size, size)), np.zeros(size), 1
        self._left[0, 0] = 1.0

    def solve(self, weight: float, target: float, step: float, bend: float) -> _Floats:
        """Add the terms of a record to the normal equations and return all trends."""
        n = self._count = self._count + 1
        self._left[n - 1, n - 1] += weight
        self._right[n - 1] = weight * target
        self._left[n - 2 : n, n - 2 : n] += step * np.outer([-1, 1], [-1, 1])
        if n > 2:
            self._left[n - 3 : n, n - 3 : n] += bend * np.outer([1, -2, 1], [1, -2, 1])
        return np.linalg.solve(self._left[:n, :n], self._right[:n])


def _penalty(move: float, scale: float) -> float:
    return scale / 2 / max(abs(move), scale / 1e3) if scale > 0 else 500.0


def _plain_scores(values: _Floats, options: OneShotStlOptions, *, clock: bool = True) -> list[float]:
    rate = 1 - 0.5 ** (1 / options.season_half_life)
    effect, visits = np.zeros(options.slots), np.zeros(options.slots)
    errors = PlainMoments(options.error_half_life)
    iterations = [_Iteration(len(values)) for _ in range(options.iterations)]
    level = origin = 0.0
    scores: list[float] = []
    for i, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        slot = int(hours(len(values))[i] / 1e9 % options.period_s / options.period_s * options.slots + 1e-9)
        season = effect[slot] if clock else 0.0
        scores.append(in_scales(abs(x - level - season), errors.rms, level) if i >= options.warm_up else nan)
        error = clipped_error(x - level - season, errors, level, options.clip)
        visits[slot] += 1
        if i == 0:
            level = origin = x
            continue
        share = max(rate, 1 / visits[slot]) if clock else 0.0
        step = bend = options.smoothness
        trends = np.zeros(0)
        for iteration in iterations:
            trends = iteration.solve(1 - share, level + error - origin, step, bend)
            step = options.smoothness * _penalty(trends[-1] - trends[-2], errors.rms)
            bend = options.smoothness * _penalty(float(np.diff(trends[-3:], n=2).sum()), errors.rms)
        effect[slot] += share * (level + error - origin - trends[-1])
        level = origin + float(trends[-1])
        errors.learn(error)
    return scores


@pytest.mark.parametrize(
    "options",
    [
        OneShotStlOptions(),
        OneShotStlOptions(
            smoothness=2.0, period_s=43_200.0, season_half_life=3.0, error_half_life=20.0, clip=3.0, warm_up=3
        ),
    ],
    ids=["default", "short"],
)
def test_equals_whole_systems(values: _Floats, options: OneShotStlOptions) -> None:
    """Every score is the error of trend + season, the trend from a system that holds every record."""
    values = values[360:460]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(ONESHOT_STL, options, values), expected, rtol=1e-5, atol=1e-5)


def test_without_a_clock_there_is_no_season() -> None:
    """Event times of 0 leave the trend."""
    values = np.random.default_rng(6).normal(size=120).cumsum()
    scores = scores_of(ONESHOT_STL, OneShotStlOptions(), values, np.zeros(120, np.int64))
    np.testing.assert_allclose(scores, _plain_scores(values, OneShotStlOptions(), clock=False), rtol=1e-6, atol=1e-9)


def test_a_step_stands_out_and_is_adopted_at_once() -> None:
    """On a daily curve a step is the strangest record; twenty records later all is ordinary again."""
    hour = np.arange(24 * 60)
    random = np.random.default_rng(7)
    values = 5.0 * np.sin(hour * 2.0 * np.pi / 24.0) + random.normal(0.0, 0.3, len(hour))
    step = 24 * 50 + 3
    values[step:] += 4.0
    scores = scores_of(ONESHOT_STL, OneShotStlOptions(), values)
    late = scores[24 * 20 :]
    assert np.argmax(late) + 24 * 20 == step
    assert np.median(scores[step + 20 : step + 100]) < 2.0 * np.median(late[: 24 * 30])
