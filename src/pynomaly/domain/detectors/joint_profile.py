"""Distance of the latest subsequences of several fields together to the nearest earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, nan, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.lags import ROOM, least, move_to_room, whole_words
from pynomaly.domain.detectors.magnitude import bounded
from pynomaly.domain.detectors.moments import moved_moments, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_WINDOWS: Final = (8, 32, 64, 128)
_LONGEST: Final = _WINDOWS[-1]
_FAR, _LEVEL = len(_WINDOWS), len(_WINDOWS) + 1  # facets after those of the windows
_NEAREST_LAG: Final = 32  # records; what lies nearer is the same event
_FARTHEST: Final = 100.0  # standard deviations told apart
_FARTHEST_LEARNED: Final = 4.0  # of them learned at once
_LEAST_SD: Final = 0.01  # as a ratio of the range so far
_FEW_VALUES: Final = 4  # distinct ones of a flag
_FARTHEST_FIELDS: Final = 3  # whose mean distance from the usual is a facet
#: Its scores stay high for as long as an incident lasts, so that the bar rises by more after an alert.
_POLICY: Final = AlertPolicyOptions(bump=9.6)


@dataclass(frozen=True)
class JointProfileOptions(Options):
    """Distances of the last windows of all fields together to the most similar windows before them, and two more.

    Catches incidents of machines with many metrics: combinations and courses that have not been seen before, shifts of
    a few fields, slow oscillations, whichever fields take part. Fails on what happens in one quiet field of many, on
    what has happened once before within the horizon, and on anomalies much shorter than 8 records that move no field
    far. Cost O(fields * horizon): 4 us with two fields, 30 us with 38, at 1,000; 4 * fields * (horizon + 194) + 16 *
    horizon bytes a series and a little.

    Six scores: the root mean squared distance to the nearest earlier window of 8, 32, 64 and 128 records (`window_8` to
    `window_128`), the mean of the three largest deviations (`farthest`), and the length of the smoothed deviations of
    all fields (`level`). Each is calibrated by itself with a gate: what lasts stays anomalous for long. These are left
    matrix profiles of the whole record (Yeh et al., ICDM 2016, "Matrix Profile I"; Yeh et al., ICDM 2017, "Matrix
    Profile VI", compares fields one by one instead), over a horizon, exact in it, and with nothing nearer than 32
    records or the window itself: for each lag the sum of squared differences is carried along from record to record,
    and one lag a record is summed anew, so that rounding errors live no longer than four horizons.

    Fields are standardised by exponentially weighted mean and deviation, the latter at least a hundredth of the range
    so far (what lies beyond 100 deviations extends it no further), so that a constant field has a scale at its first
    move; each deviation is learned up to 4 of them, and compared as sign(z) * log(1 + |z|) for z up to 100. A field
    that has shown at most 4 distinct values is a flag, a command or constant: it counts ``quiet`` times as much.
    """

    horizon: int = option(1_000, "records back to the farthest window", low=256, high=100_000)
    scale_records: int = option(300, "records that the first scale is taken from", low=10, high=1_000_000)
    scale_half_life: float = option(2_800.0, "records after which a record counts half in the scale", low=10, high=1e9)
    level_half_life: float = option(5.2, "records after which a record counts half in the level", low=1, high=1e6)
    quiet: float = option(0.1, "weight of a field that has shown at most 4 distinct values", low=0.0, high=1.0)


def _layout(options: JointProfileOptions, fields: int) -> Layout:
    reach = options.horizon + _LONGEST + 1
    state = zeros(
        [
            ("count", "i8"),
            ("filled", "i8"),  # records in the buffer
            ("newest", "i8"),  # where the newest of them stands; older ones follow it
            ("mean", "f8", (fields,)),
            ("variance", "f8", (fields,)),
            ("lowest", "f8", (fields,)),
            ("highest", "f8", (fields,)),
            ("level", "f8", (fields,)),
            ("distinct", "i8", (fields,)),  # values seen, as far as they are counted
            ("known", "f8", (fields, _FEW_VALUES)),  # these values
            # Squared, of each newest window and the one so many records before.
            ("distance", "f4", (len(_WINDOWS), whole_words(options.horizon + 1))),
            ("value", "f4", (fields, whole_words(reach + ROOM))),
        ]
    )
    state["newest"] = ROOM
    params = row(
        horizon=options.horizon,
        scale_records=options.scale_records,
        scale_rate=rate(options.scale_half_life),
        level_rate=rate(options.level_half_life),
        quiet=float(options.quiet),
    )
    return Layout(state, params)


@compiled
def _standardised(state: Row, params: Row, x: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return x in standard deviations of each field, compressed; flags are quiet."""
    y = np.empty(len(x), np.float32)
    for axis in range(len(x)):
        value = bounded(x[axis])
        least = _LEAST_SD * (max(state.highest[axis], value) - min(state.lowest[axis], value))
        sd = max(sqrt(state.variance[axis]), least)
        deviation = value - state.mean[axis]
        size = log1p(min(abs(deviation) / sd, _FARTHEST)) if sd > 0.0 else 0.0
        weight = params.quiet if state.distinct[axis] <= _FEW_VALUES else 1.0
        y[axis] = np.float32(weight * size if deviation >= 0.0 else -weight * size)
    return y


@compiled
def _add_squares(squares: Any, y: NDArray[np.float32], value: Any, first: int) -> None:
    """Add the squared distance of a record to those that begin at ``first``, lag by lag."""
    for axis in range(len(y)):
        mine, theirs = y[axis], value[axis, first : first + len(squares)]
        for lag in range(len(squares)):
            difference = mine - theirs[lag]
            squares[lag] += difference * difference


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int, scores: Any) -> None:  # noqa: ARG001
    """Write the distances of all windows, of the farthest fields and of the level; NaN until each is warm."""
    scores[:] = nan
    if state.count < params.scale_records:
        return
    y = _standardised(state, params, x)
    scores[_FAR], scores[_LEVEL] = _farthest(y), _level(state, params, y)
    entering = np.zeros(params.horizon + 1, np.float32)
    _add_squares(entering[1:], y, state.value, state.newest)
    for number in range(len(_WINDOWS)):
        window = _WINDOWS[number]
        first, last = max(window, _NEAREST_LAG), min(params.horizon, state.filled + 1 - window)
        if state.filled < window + 2 * first:
            continue
        moved = _moved(state, number, entering[first : last + 1], first)
        scores[number] = sqrt(least(moved) / window)


@compiled
def _moved(state: Row, number: int, entering: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Return the squared distances of a window from a lag on, once a record has come in and the oldest ones have left.

    ``entering`` holds the squared distances of that record to those so many records before it.
    """
    gone = state.newest + _WINDOWS[number] - 1
    leaving = np.zeros(len(entering), np.float32)
    _add_squares(leaving, state.value[:, gone], state.value, gone + first)
    for lag in range(len(entering)):
        leaving[lag] = state.distance[number, first + lag] + entering[lag] - leaving[lag]
    return leaving


@compiled
def _farthest(y: NDArray[np.float32]) -> float:
    """Return the mean size of the farthest fields."""
    total, counted = 0.0, min(_FARTHEST_FIELDS, len(y))
    left = np.abs(y)
    for _ in range(counted):
        farthest = np.argmax(left)
        total += left[farthest]
        left[farthest] = -1.0
    return total / counted


@compiled
def _level(state: Row, params: Row, y: NDArray[np.float32]) -> float:
    """Return how far the smoothed record is from the usual."""
    squares = 0.0
    for axis in range(len(y)):
        level = state.level[axis] + params.level_rate * (y[axis] - state.level[axis])
        squares += level * level
    return sqrt(squares)


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Take x into the buffer, the distances of all lags and the scale."""
    if state.count >= params.scale_records:
        y = _standardised(state, params, x)
        for axis in range(len(y)):
            state.level[axis] += params.level_rate * (y[axis] - state.level[axis])
        if state.newest == 0:
            _make_room(state)
        entering = np.zeros(params.horizon, np.float32)
        _add_squares(entering, y, state.value, state.newest)
        for number in range(len(_WINDOWS)):
            state.distance[number, 1 : params.horizon + 1] = _moved(state, number, entering, 1)
        state.newest -= 1
        state.value[:, state.newest] = y
        state.filled = min(state.filled + 1, params.horizon + _LONGEST)
        _sum_anew(state, params)
    _learn_scale(state, params, x)
    state.count += 1


@compiled
def _make_room(state: Row) -> None:
    for axis in range(len(state.value)):
        move_to_room(state.value[axis])
    state.newest = ROOM


@compiled
def _sum_anew(state: Row, params: Row) -> None:
    """Sum one lag of one window anew, so that rounding errors live no longer than four horizons."""
    number = state.count % len(_WINDOWS)
    lag = 1 + (state.count // len(_WINDOWS)) % params.horizon
    squares = 0.0
    for axis in range(len(state.value)):
        recent = state.value[axis, state.newest :]
        for age in range(_WINDOWS[number]):
            difference = float(recent[age]) - float(recent[age + lag])
            squares += difference * difference
    state.distance[number, lag] = np.float32(squares)


@compiled
def _learn_scale(state: Row, params: Row, x: NDArray[np.float64]) -> None:
    share = share_of(params.scale_rate, state.count + 1)
    for axis in range(len(x)):
        value = bounded(x[axis])
        if state.count == 0:
            state.lowest[axis] = state.highest[axis] = value
        deviation = value - state.mean[axis]
        seen = state.mean[axis] + winsorised(deviation, state.variance[axis], state.count, state.mean[axis], _FARTHEST)
        state.lowest[axis] = min(state.lowest[axis], seen)
        state.highest[axis] = max(state.highest[axis], seen)
        if state.count >= params.scale_records:
            deviation = winsorised(deviation, state.variance[axis], state.count, state.mean[axis], _FARTHEST_LEARNED)
        state.mean[axis], state.variance[axis] = moved_moments(state.mean[axis], state.variance[axis], share, deviation)
        _count_distinct(state, axis, value)


@compiled
def _count_distinct(state: Row, axis: int, value: float) -> None:
    """Remember a value that the field has not shown before, until it has shown too many for a flag."""
    seen = state.distinct[axis]
    if seen > _FEW_VALUES:
        return
    for index in range(seen):
        if state.known[axis, index] == value:
            return
    if seen < _FEW_VALUES:
        state.known[axis, seen] = value
    state.distinct[axis] = seen + 1


JOINT_PROFILE = Detector(
    "joint_profile",
    JointProfileOptions,
    _layout,
    score,
    learn,
    takes_vector=True,
    facets=(*(f"window_{window}" for window in _WINDOWS), "farthest", "level"),
    calibration=CalibrationOptions(warm_up=250, resolution="coarse", gate=2.0),
    channel=Channel(policy=_POLICY, weight=0.4, ranked=2.5),
)
