"""Distance within and from the subspace in which records usually lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, limited, scale_fields, standardised
from pynomaly.domain.detectors.principal_subspace import combined_index, learn_subspace, subspace_fields
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class PcaResidualOptions(Options):
    """Distance from the mean along the leading principal components (T2) and squared distance from them (Q), as one.

    Catches sensors that leave the few patterns in which all of them usually move together, at a cost linear in the
    number of fields. Fails on data in several clusters, on curved relations, and on fields that are independent of each
    other (no subspace to leave: T2 and Q only measure size). Cost O(rank * d) a record; 8 * rank * d + 24 * d + 16
    bytes a series.

    T2 and Q are those of Jackson and Mudholkar (Technometrics 1979), "Control procedures for residuals associated with
    principal component analysis", section 2; the sum of both, T2 / rank + Q / mean of Q, that of Yue and Qin (2001).
    Components follow candid incremental principal component analysis (Weng, Zhang and Hwang, 2003). The fields are
    standardised by exponentially weighted mean and deviation; deviations are learned up to 10 standard deviations. With
    no more fields than ``rank`` nothing is left for Q.
    """

    rank: int = option(3, "principal components", low=1, high=100)
    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e9)
    warm_up: int = option(100, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: PcaResidualOptions, fields: int) -> Layout:
    rank = min(options.rank, fields)
    state = zeros([*scale_fields(fields), *subspace_fields(rank, fields)])
    state["sd"], state["component"] = UNIT_SD, np.eye(rank, fields)
    return Layout(state, row(rate=rate(options.half_life), warm_up=options.warm_up))


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return T2 / rank + Q / mean of Q; NaN until warm."""
    return combined_index(state, standardised(state, x)) if state.count >= params.warm_up else nan


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Move components, mean and deviations towards x."""
    weight = max(params.rate, 1.0 / (state.count + 2))
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    z = standardised(state, x)
    limited(z)
    learn_subspace(state, z, weight)


PCA_RESIDUAL = Detector("pca_residual", PcaResidualOptions, _layout, score, learn, takes_vector=True)
