"""Distance of the latest subsequence to the nearest earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log1p, nan, sqrt
from typing import Any

import numpy as np

from pynomaly.domain.detectors.lags import LARGEST_BITS, ROOM, move_to_room, whole_words
from pynomaly.domain.detectors.magnitude import FLAT, bounded, deviations
from pynomaly.domain.detectors.seam import Detector, Layout, row, zeros
from pynomaly.domain.error import Problem
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_WINDOWS_BEFORE_SCORE = 3
_TWO = np.float32(2.0)


@dataclass(frozen=True)
class LeftMatrixProfileOptions(Options):
    """Distance of the last window of values to the most similar window before it.

    Catches shapes that the series has not shown before: a missing beat, a cycle cut short, a plateau, a new pattern
    within the usual range. Fails on what has happened once before within the horizon (its twin is near), on
    anomalies much shorter than the window, and is silent about noise, to which every window is equally far. Cost
    O(horizon) whatever the window: 0.6 us at 2,000; 12 * (window + horizon) bytes a series and a little.

    This is the left matrix profile (Yeh et al., ICDM 2016, "Matrix Profile I", section III; left: Lu et al., KDD 2022,
    "Matrix profile XXIV", section 2) over a horizon, exact in it, by the root mean squared difference of the values
    themselves: levels count, which z-normalised windows forget. A window meets none that overlaps it. For each lag the
    inner product of the two windows is carried along (STOMP's recurrence, Zhu et al., ICDM 2016, section III.B, turned
    to run along lags), so that a record costs two multiplications a lag; one lag a record is summed anew, so that
    rounding errors live no longer than the horizon.

    Values are standardised by mean and deviation of the first ``scale_records`` records, then compressed to
    sign(z) * log(1 + |z|), once for all: products of records on different scales would not belong together. A series
    that begins constant takes its scale from the first record on that differs.
    """

    window: int = option(48, "records of a subsequence", low=2, high=1_000)
    horizon: int = option(2_000, "records back to the farthest window", low=10, high=100_000)
    scale_records: int = option(150, "records that the scale is taken from", low=2, high=1_000_000)

    def _conflicts(self) -> Iterator[Problem]:
        """Windows that may not overlap must fit into the horizon."""
        if self.horizon < 2 * self.window:
            yield Problem("horizon", f"must be at least two windows, {2 * self.window}, was {self.horizon}")


def _layout(options: LeftMatrixProfileOptions, _fields: int) -> Layout:
    reach = options.window + options.horizon + 1
    state = zeros(
        [
            ("mean", "f8"),
            ("variance", "f8"),
            ("count", "i8"),
            ("scaled", "i8"),  # records that the scale was taken from
            ("filled", "i8"),  # records in the buffer
            ("newest", "i8"),  # where the newest of them stands; older ones follow it
            ("value", "f4", (whole_words(reach + ROOM),)),
            # Sum of squares of the window that ends there; product of the newest window and one so many records before.
            ("square", "f4", (whole_words(options.horizon + 1 + ROOM),)),
            ("product", "f4", (whole_words(options.horizon + 1),)),
        ]
    )
    state["newest"] = ROOM
    params = row(
        window=options.window,
        horizon=options.horizon,
        scale_records=options.scale_records,
        warm_up=options.scale_records + _WINDOWS_BEFORE_SCORE * options.window,
    )
    return Layout(state, params)


@compiled
def _compressed(state: Row, x: float) -> np.float32:
    distance = bounded(x) - state.mean
    size = log1p(deviations(abs(distance), sqrt(state.variance), state.mean))
    return np.float32(size if distance >= 0.0 else -size)


@compiled
def _nearest(
    squares: np.float32, product: Any, square: Any, recent: Any, old: Any, value: np.float32, leaving: np.float32
) -> np.float32:
    """Return the least sum of squared differences between the newest window and those of lags side by side.

    ``recent`` and ``old`` hold the newest record of each lag's window and the one that leaves it. Distances are
    compared as bits, which for numbers from 0 up have the same order: the least of many integers is found many at a
    time, that of floats is not, for a NaN among them would have to be told. Rounding may give a little less than 0.
    """
    nearest = LARGEST_BITS
    for lag in range(len(product)):
        distance = squares + square[lag] - _TWO * (product[lag] + value * recent[lag] - leaving * old[lag])
        nearest = min(nearest, np.float32(distance).view(np.int32))
    return max(np.int32(nearest).view(np.float32), np.float32(0.0))


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the root mean squared difference to the nearest window before; 0 without a scale, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    window = params.window
    if state.scaled < params.scale_records or state.filled < _WINDOWS_BEFORE_SCORE * window:
        return 0.0
    value = _compressed(state, x)
    squares = float(value) * float(value)
    for age in range(window - 1):
        squares += float(state.value[state.newest + age]) ** 2
    leaving = state.value[state.newest + window - 1]
    at, last = state.newest - 1, min(params.horizon, state.filled - window + 1)
    nearest = _nearest(
        np.float32(squares),
        state.product[window : last + 1],
        state.square[at + window : at + last + 1],
        state.value[at + window : at + last + 1],
        state.value[at + 2 * window : at + window + last + 1],
        value,
        leaving,
    )
    return sqrt(float(nearest) / window)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Take x into the scale, or into the buffer and the products of all lags."""
    state.count += 1
    if state.scaled < params.scale_records:
        _learn_scale(state, bounded(x))
        return
    if state.newest == 0:
        _make_room(state)
    value, window = _compressed(state, x), params.window
    leaving = state.value[state.newest + window - 1]
    state.newest -= 1
    state.value[state.newest] = value
    state.filled = min(state.filled + 1, params.window + params.horizon)
    at, lags = state.newest, len(state.product)
    _move_products(
        state.product[1:],
        state.value[at + 1 : at + lags],
        state.value[at + window + 1 : at + window + lags],
        value,
        leaving,
    )
    _sum_anew(state, 1 + state.count % params.horizon, window)
    state.square[state.newest] = _product(state, 0, window)


@compiled
def _learn_scale(state: Row, x: float) -> None:
    """Move mean and variance towards x; records equal to the very first one count as one until another value comes."""
    if state.scaled == 1 and abs(x - state.mean) <= FLAT * abs(state.mean):
        return
    state.scaled += 1
    deviation = x - state.mean
    state.mean += deviation / state.scaled
    state.variance += (deviation * (x - state.mean) - state.variance) / state.scaled


@compiled
def _make_room(state: Row) -> None:
    """Move everything towards the old end; what falls off there is beyond the horizon."""
    move_to_room(state.value)
    move_to_room(state.square)
    state.newest = ROOM


@compiled
def _move_products(product: Any, recent: Any, old: Any, value: np.float32, leaving: np.float32) -> None:
    """Let the windows of every lag take in their newest records and let go of their oldest ones."""
    for lag in range(len(product)):
        product[lag] += value * recent[lag] - leaving * old[lag]


@compiled
def _sum_anew(state: Row, lag: int, window: int) -> None:
    state.product[lag] = _product(state, lag, window)


@compiled
def _product(state: Row, lag: int, window: int) -> np.float32:
    """Return the inner product of the newest window and the one some records before it."""
    total = 0.0
    for age in range(window):
        total += float(state.value[state.newest + age]) * float(state.value[state.newest + age + lag])
    return np.float32(total)


LEFT_MATRIX_PROFILE = Detector("left_matrix_profile", LeftMatrixProfileOptions, _layout, score, learn)
