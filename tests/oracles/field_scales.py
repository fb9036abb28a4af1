"""Scales of several fields and random draws in plain Python, for the oracles of detectors that see fields together."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.option import Options

_MASK = 2**64 - 1


class Scales:
    """Exponentially weighted mean and deviation of every field; deviations are learned up to 100 of them when warm."""

    def __init__(self, fields: int, half_life: float, warm_up: int) -> None:
        self.half_life, self.warm_up, self.count = half_life, warm_up, 0
        self.mean, self.variance, self.sd = [0.0] * fields, [0.0] * fields, [1.0] * fields

    def share(self, first: int = 1) -> float:
        """Return the weight of the next record, which is at most one of ``first`` with those before."""
        return max(1 - 0.5 ** (1 / self.half_life), 1 / (self.count + first))

    def z(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a row in standard deviations."""
        each = zip(row.tolist(), self.mean, self.sd, strict=True)
        return np.array([min(max((min(max(x, -1e150), 1e150) - m) / s, -(2**53)), 2**53) for x, m, s in each])

    def learn(self, row: NDArray[np.float64]) -> None:
        """Take a row in."""
        share = self.share()
        for k, value in enumerate(row.tolist()):
            x, mean, sd = min(max(value, -1e150), 1e150), self.mean[k], self.sd[k]
            if self.count >= self.warm_up and sd > 1e-12 * abs(mean):
                x = min(max(x, mean - 100 * sd), mean + 100 * sd)
            self.mean[k] = mean + share * (x - mean)
            spread = (mean - self.mean[k]) ** 2 * (1 - share) + share * (x - self.mean[k]) ** 2
            self.variance[k] = (1 - share) * self.variance[k] + spread
            self.sd[k] = max(sqrt(self.variance[k]), 1e-12 * abs(self.mean[k]), 1e-150)
        self.count += 1


def rows() -> NDArray[np.float64]:
    """Return 600 rows of three fields in very different units, two of them correlated, with outliers and a shift."""
    rng = np.random.default_rng(31)
    first = rng.normal(size=600)
    second = 0.9 * first + 0.3 * rng.normal(size=600)
    values = np.column_stack([1e6 + 50.0 * first, 1e-3 * second, rng.exponential(7.0, 600)])
    values[[150, 333]] = [[1e7, 0.5, -20.0], [1e6, -1e-3, 1e9]]
    values[450:, 1] += 0.004
    return values


def scores(detector: Detector, options: Options, values: NDArray[np.float64]) -> list[float]:
    """Score each row, then learn it."""
    layout = detector.layout(options, values.shape[1])
    state, params = layout.initial[0], layout.params[0]
    given = []
    for row in values:
        given.append(detector.score(state, params, row, 0))
        detector.learn(state, params, row, 0)
    return given


def uniform_table(seed: int, count: int, width: int) -> list[list[float]]:
    """Return rows of uniform numbers: the upper 53 bits of PCG64's integers, each in the middle of its step."""
    generator = np.random.PCG64(seed)
    return [[((int(generator.random_raw()) >> 11) + 0.5) / 2**53 for _ in range(width)] for _ in range(count)]


def split_mix(seed: int, number: int) -> float:
    """Return a number in [0, 1) by the finaliser of SplitMix64 on an arithmetic sequence."""
    z = (seed * 0xBF58476D1CE4E5B9 + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / 2**53
