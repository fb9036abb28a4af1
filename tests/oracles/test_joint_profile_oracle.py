"""Distances of the subsequences of several fields together against every window compared with every earlier one."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE, JointProfileOptions

_OPTIONS = JointProfileOptions(horizon=256, scale_records=50, scale_half_life=300.0, level_half_life=5.0)
_WINDOWS = (8, 32, 64, 128)


class _Plain:
    """Scales and smoothed deviations of a few fields, in plain Python."""

    def __init__(self, fields: int, options: JointProfileOptions) -> None:
        self.options, self.count = options, 0
        self.mean, self.variance = np.zeros(fields), np.zeros(fields)
        self.low, self.high = np.full(fields, np.inf), np.full(fields, -np.inf)
        self.seen: list[set[float]] = [set() for _ in range(fields)]
        self.level = np.zeros(fields)

    def y(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        least = 0.01 * (np.maximum(self.high, row) - np.minimum(self.low, row))
        sd = np.maximum(np.sqrt(self.variance), least)
        z = np.divide(row - self.mean, sd, out=np.zeros(len(row)), where=sd > 0)
        quiet = [self.options.quiet if len(seen) <= 4 else 1.0 for seen in self.seen]
        return np.sign(z) * np.log1p(np.minimum(np.abs(z), 100.0)) * quiet

    def smoothed(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.level + (1 - 0.5 ** (1 / self.options.level_half_life)) * (y - self.level)

    def learn(self, row: NDArray[np.float64]) -> None:
        share = max(1 - 0.5 ** (1 / self.options.scale_half_life), 1 / (self.count + 1))
        for k, x in enumerate(row.tolist()):
            deviation, sd = x - self.mean[k], float(np.sqrt(self.variance[k]))
            has_scale = self.count >= 5 and sd > 1e-12 * abs(self.mean[k])
            seen = self.mean[k] + (np.clip(deviation, -100 * sd, 100 * sd) if has_scale else deviation)
            self.low[k], self.high[k] = min(self.low[k], seen), max(self.high[k], seen)
            if self.count >= self.options.scale_records and has_scale:
                deviation = float(np.clip(deviation, -4 * sd, 4 * sd))
            self.mean[k] += share * deviation
            self.variance[k] = (1 - share) * (self.variance[k] + share * deviation**2)
            self.seen[k].add(x)
        self.count += 1


def _rows() -> NDArray[np.float64]:
    """Return two correlated waves, a flag, a field that moves late and one that steps, with outliers."""
    rng, t = np.random.default_rng(5), np.arange(900)
    first = 100.0 + 10.0 * np.sin(t / 7.0) + rng.normal(0.0, 1.0, 900)
    second = 1e-3 * first + rng.normal(0.0, 1e-3, 900)
    flag, late = (t // 90) % 3 * 1.0, np.where(t < 400, 5.0, 5.0 + rng.normal(0.0, 0.1, 900))
    rows = np.stack([first, second, flag, late, np.floor(t / 60.0)], axis=1)
    rows[[300, 420], [0, 1]] = 1e5, -3.0
    rows[600:660, 0] = 100.0
    return rows


def _scores(values: NDArray[np.float64], options: JointProfileOptions) -> NDArray[np.float64]:
    layout = JOINT_PROFILE.layout(options, values.shape[1])
    scores = np.empty((len(values), len(JOINT_PROFILE.facets)))
    for row, given in zip(values, scores, strict=True):
        JOINT_PROFILE.score(layout.initial[0], layout.params[0], row, 0, given)
        JOINT_PROFILE.learn(layout.initial[0], layout.params[0], row, 0)
    return scores


def _nearest(past: list[NDArray[np.float64]], window: int, horizon: int) -> float:
    y = np.array(past)
    first = max(window, 32)
    if len(y) - 1 < window + 2 * first:
        return nan
    last = min(horizon, len(y) - window)
    newest = y[len(y) - window :]
    squares = [((newest - y[len(y) - window - lag : len(y) - lag]) ** 2).sum() for lag in range(first, last + 1)]
    return float(np.sqrt(min(squares) / window))


def test_equals_all_windows_compared() -> None:
    """Every score is the distance to the nearest window within the horizon, or a size of the deviations."""
    values = _rows()
    given, plain, past = _scores(values, _OPTIONS), _Plain(values.shape[1], _OPTIONS), list[NDArray[np.float64]]()
    for i, row in enumerate(values):
        if i < _OPTIONS.scale_records:
            assert np.isnan(given[i]).all()
        else:
            y = plain.y(row)
            past.append(y)
            farthest, level = np.sort(np.abs(y))[-3:].mean(), float(np.linalg.norm(plain.smoothed(y)))
            np.testing.assert_allclose(given[i, 4:], [farthest, level], rtol=1e-5)
            if i % 7 == 0:
                expected = [_nearest(past, window, _OPTIONS.horizon) for window in _WINDOWS]
                np.testing.assert_allclose(given[i, :4], expected, rtol=1e-3, atol=1e-3)
            plain.level = plain.smoothed(y)
        plain.learn(row)


@pytest.mark.parametrize("quiet", [0.0, 0.1, 1.0])
def test_flags_are_quiet(quiet: float) -> None:
    """A command that has never been given counts by its weight; a fifth value makes a field count fully."""
    rng = np.random.default_rng(6)
    values = np.stack([rng.normal(size=400), rng.integers(0, 2, 400) * 1.0], axis=1)
    values[390:, 1] = [2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 9.0, 0.0, 9.0, 0.0]
    farthest = _scores(values, JointProfileOptions(scale_records=100, quiet=quiet))[:, 4]
    loud = _scores(values, JointProfileOptions(scale_records=100, quiet=1.0))[:, 4]
    own = np.abs(loud - farthest)
    assert (own[390] > 0.3) == (quiet < 0.5)
    assert own[398] == pytest.approx(0.0, abs=1e-6)
