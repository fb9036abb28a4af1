"""Exponentially weighted mean and standard deviation of every field: what makes different units comparable."""

from __future__ import annotations

from math import sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.magnitude import FLAT, bounded, learnable
from pynomaly.domain.jit import Row, compiled

_LEAST_SD = 1e-150  # of a field that was never anything but 0
_FARTHEST = 2.0**53  # most standard deviations told apart; squashed, the largest double below 1
_FARTHEST_LEARNED = 10.0  # of them in what is squared: a covariance would remember a hundred for long

#: Scale before the first record.
UNIT_SD: Final = 1.0


def scale_fields(fields: int) -> list[tuple[Any, ...]]:
    """Return what a state needs for the scales of its fields; `sd` must begin as `UNIT_SD`."""
    return [("mean", "f8", (fields,)), ("variance", "f8", (fields,)), ("sd", "f8", (fields,)), ("count", "i8")]


@compiled
def standardised(state: Row, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x in standard deviations from the mean, each within +-2^53."""
    z = np.empty(len(x))
    for axis in range(len(x)):
        z[axis] = min(max((bounded(x[axis]) - state.mean[axis]) / state.sd[axis], -_FARTHEST), _FARTHEST)
    return z


@compiled
def squashed(z: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return z / (1 + |z|): everything within [-1, 1], half of it for what lies within one standard deviation."""
    squashed = np.empty(len(z), np.float32)
    for axis in range(len(z)):
        squashed[axis] = z[axis] / (1.0 + abs(z[axis]))
    return squashed


@compiled
def learn_scale(state: Row, x: NDArray[np.float64], rate: float, warm_up: int) -> None:
    """Move the scale of every field towards x, by at most 100 standard deviations once ``warm_up`` records are known.

    ``state.count`` is the number of records before this one, which the caller counts: until the half-life is filled
    they all weigh the same.
    """
    weight = max(rate, 1.0 / (state.count + 1))
    for axis in range(len(x)):
        deviation = bounded(x[axis]) - state.mean[axis]
        if state.count >= warm_up:
            deviation = learnable(deviation, state.sd[axis], state.mean[axis])
        state.mean[axis] += weight * deviation
        state.variance[axis] = (1.0 - weight) * (state.variance[axis] + weight * deviation * deviation)
        state.sd[axis] = max(sqrt(state.variance[axis]), FLAT * abs(state.mean[axis]), _LEAST_SD)


@compiled
def limited(z: NDArray[np.float64]) -> None:
    """Bring z within 10 standard deviations, in place: as much as a covariance may learn at once."""
    for axis in range(len(z)):
        z[axis] = min(max(z[axis], -_FARTHEST_LEARNED), _FARTHEST_LEARNED)
