"""Distance from the mean in the metric of the covariance."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, limited, scale_fields, standardised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class MahalanobisOptions(Options):
    """Distance from the mean of all fields in standard deviations of its direction (the root of Hotelling's T2).

    Catches fields that break their correlation, such as two that always moved together and now move apart, and
    outliers of any one field. Fails on data in several clusters (the space between them looks ordinary), on curved
    relations, and where d is not small against the half-life. Cost O(d^2) a record; 8 * d^2 + 24 * d + 8 bytes a
    series.

    Hotelling (1947), "Multivariate quality control", with mean and covariance of exponential weights as in Lowry and
    Montgomery (IIE Transactions 1995), "A review of multivariate control charts". The covariance is that of the
    standardised fields and is kept as its Cholesky factor, which each record changes by one rotation of rank one (Gill,
    Golub, Murray and Saunders, Mathematics of Computation 1974, "Methods for modifying matrix factorizations", method
    C1 with a positive sign): no inverse that drifts, never indefinite. It begins as the identity, which counts as d
    records. Every d records each field is given the ridge anew. Deviations are learned up to 10 standard deviations.
    """

    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e9)
    ridge: float = option(0.01, "least variance in any direction [ratio of a field's variance]", low=1e-9, high=1.0)
    warm_up: int = option(100, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: MahalanobisOptions, fields: int) -> Layout:
    state = zeros([*scale_fields(fields), ("factor", "f8", (fields, fields))])
    state["sd"], state["factor"] = UNIT_SD, np.eye(fields)
    return Layout(state, row(rate=rate(options.half_life), ridge=float(options.ridge), warm_up=options.warm_up))


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return the Mahalanobis distance of x from the mean; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    z = standardised(state, x)
    squares = 0.0
    for i in range(len(z)):
        for j in range(i):
            z[i] -= state.factor[i, j] * z[j]
        z[i] /= state.factor[i, i]
        squares += z[i] * z[i]
    return sqrt(squares)


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Move the mean towards x, and the covariance towards the square of its deviation from it."""
    fields = len(x)
    weight, ridged = max(params.rate, 1.0 / (state.count + fields + 1)), state.count % fields
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    z = standardised(state, x)
    limited(z)
    _scale(state.factor, sqrt(1.0 - weight))
    for axis in range(fields):
        z[axis] *= sqrt(weight)
    _add_square(state.factor, z, 0)
    z[:] = 0.0
    z[ridged] = sqrt(params.ridge * (1.0 - (1.0 - weight) ** fields))
    _add_square(state.factor, z, ridged)


@compiled
def _scale(factor: Any, by: float) -> None:
    for i in range(len(factor)):
        for j in range(i + 1):
            factor[i, j] *= by


@compiled
def _add_square(factor: Any, v: NDArray[np.float64], first: int) -> None:
    """Make the factor that of its matrix plus v v', where v is 0 before its ``first`` place; v is used up."""
    for j in range(first, len(v)):
        pivot = sqrt(factor[j, j] * factor[j, j] + v[j] * v[j])
        cosine, sine = factor[j, j] / pivot, v[j] / pivot
        factor[j, j] = pivot
        for i in range(j + 1, len(v)):
            before = factor[i, j]
            factor[i, j] = cosine * before + sine * v[i]
            v[i] = cosine * v[i] - sine * before


MAHALANOBIS = Detector("mahalanobis", MahalanobisOptions, _layout, score, learn, takes_vector=True)
