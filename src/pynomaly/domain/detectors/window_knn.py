"""Distance to the nearest neighbours in a window of recent records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, scale_fields, standardised
from pynomaly.domain.detectors.nearest import nearest, squared_distances
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.error import Problem
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class WindowKnnOptions(Options):
    """Distance to the k-th nearest of the last records, over all fields.

    Catches records unlike any of late, whatever the shape of the data: clusters, curves and gaps included. Fails on
    anomalies that come k times within a window (they are each other's neighbours: use the learning guard), on regions
    of very different density, and on anomalies in few of many fields. Cost O(window * d) a record; 4 * window * d +
    24 * d + 8 bytes a series.

    Ramaswamy, Rastogi and Shim (SIGMOD 2000), "Efficient algorithms for mining outliers from large data sets", section
    2.1 (the distance D^k), over a sliding window as in Angiulli and Fassetti (CIKM 2007), "Detecting distance-based
    outliers in streams of data"; Euclidean and exact. Fields are standardised by exponentially weighted mean and
    deviation when a record comes; the window keeps what they were then.
    """

    neighbours: int = option(10, "which nearest neighbour the distance is taken to", low=1, high=100)
    window: int = option(500, "records that a neighbour is looked for among", low=2, high=100_000)
    half_life: float = option(2000.0, "records after which the scaling forgets half", low=1.0, high=1e9)
    warm_up: int = option(100, "records of a series before its first score", low=2, high=1_000_000)

    def _conflicts(self) -> Iterator[Problem]:
        """There must be enough records for the neighbours."""
        if self.neighbours > self.window:
            yield Problem("neighbours", f"must be at most the window, {self.window}, was {self.neighbours}")


def _layout(options: WindowKnnOptions, fields: int) -> Layout:
    state = zeros([*scale_fields(fields), ("record", "f4", (fields, options.window))])
    state["sd"] = UNIT_SD
    warm_up = max(options.warm_up, options.neighbours)
    return Layout(state, row(rate=rate(options.half_life), warm_up=warm_up, neighbours=options.neighbours))


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return the distance to the k-th nearest record [standard deviations]; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    filled = min(state.count, state.record.shape[1])
    squares = squared_distances(state.record, filled, standardised(state, x))
    return sqrt(squares[nearest(squares, params.neighbours)[-1]])


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Put x into the window in place of the oldest record."""
    learn_scale(state, x, params.rate, params.warm_up)
    oldest = state.count % state.record.shape[1]
    state.count += 1
    z = standardised(state, x)
    for axis in range(len(z)):
        state.record[axis, oldest] = z[axis]


WINDOW_KNN = Detector("window_knn", WindowKnnOptions, _layout, score, learn, takes_vector=True)
