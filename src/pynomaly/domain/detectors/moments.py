"""Exponentially weighted mean, variance and mean square; at first they are plain ones.

Numbers go in and come out one by one: compiled code treats a row that begins with the fields of another as that other
row, with a warning, so a function of rows of many kinds would not be one function.
"""

from __future__ import annotations

from math import sqrt

from pynomaly.domain.detectors.magnitude import clipped
from pynomaly.domain.jit import compiled

_UNCLIPPED = 5  # first records, of which a standard deviation would say too little to clip by it


@compiled
def share_of(rate: float, count: int) -> float:
    """Return the weight of the ``count``-th record: until there are ``1 / rate`` of them, they all count the same."""
    return max(rate, 1.0 / count)


@compiled
def moved_moments(mean: float, variance: float, share: float, deviation: float) -> tuple[float, float]:
    """Return mean and variance with a record learned that has this deviation from the mean (West 1979)."""
    return mean + share * deviation, (1.0 - share) * (variance + share * deviation * deviation)


@compiled
def moved_mean_square(mean_square: float, share: float, error: float) -> float:
    """Return a mean square with an error learned."""
    return mean_square + share * (error * error - mean_square)


@compiled
def winsorised(deviation: float, mean_square: float, count: int, level: float, sds: float) -> float:
    """Return a deviation within so many root mean squares of the ``count`` before; whole for the first few."""
    return deviation if count < _UNCLIPPED else clipped(deviation, sqrt(mean_square), level, sds)
