"""The few directions in which most of the variance lies, kept up to date record by record.

Weng, Zhang and Hwang (IEEE TPAMI 2003), "Candid covariance-free incremental principal component analysis", equations
10 and 11: a component is a vector whose length is its variance; each is moved towards the record by what the record
shows along it, and the next one sees what is left of the record. No covariance matrix: O(rank * d) a record.
Here the weights are exponential, and components begin as the first axes with variance 1, which counts as one record.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row, compiled

_LEAST_VARIANCE = 1e-3  # of a component, where a field's is 1: what lies below is no direction to measure by
_SHORTEST = 1e-9  # of a component; one that shrinks for ever would lose its direction


def subspace_fields(rank: int, fields: int) -> list[tuple[Any, ...]]:
    """Return what a state needs; `component` must begin as the identity."""
    return [("residual", "f8"), ("component", "f8", (rank, fields))]


@compiled
def combined_index(state: Row, z: NDArray[np.float64]) -> float:
    """Return T2 a component plus Q in units of its mean; z is used up.

    Yue and Qin (Industrial & Engineering Chemistry Research 2001), "Reconstruction-based fault identification using a
    combined index", equation 13, with the means of both statistics in place of their control limits.
    """
    rank = len(state.component)
    hotelling = 0.0
    for index in range(rank):
        length = _length(state.component[index])
        along = _dot(state.component[index], z) / length
        hotelling += along * along / max(length, _LEAST_VARIANCE)
        _subtract(z, state.component[index], along / length)
    return hotelling / rank + _dot(z, z) / max(state.residual, _LEAST_VARIANCE * len(z))


@compiled
def learn_subspace(state: Row, z: NDArray[np.float64], weight: float) -> None:
    """Move the components towards z, and the mean of Q; z is used up."""
    for index in range(len(state.component)):
        component = state.component[index]
        along = weight * _dot(component, z) / _length(component)
        for axis in range(len(z)):
            component[axis] = (1.0 - weight) * component[axis] + along * z[axis]
        length = _length(component)
        if length < _SHORTEST:
            _subtract(component, component, 1.0 - _SHORTEST / length)
            length = _SHORTEST
        _subtract(z, component, _dot(component, z) / (length * length))
    state.residual += weight * (_dot(z, z) - state.residual)


@compiled
def _dot(one: Any, other: Any) -> float:
    total = 0.0
    for axis in range(len(one)):
        total += one[axis] * other[axis]
    return total


@compiled
def _length(one: Any) -> float:
    return sqrt(_dot(one, one))


@compiled
def _subtract(one: Any, other: Any, times: float) -> None:
    for axis in range(len(one)):
        one[axis] -= times * other[axis]
