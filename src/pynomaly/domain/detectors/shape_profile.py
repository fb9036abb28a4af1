"""Distances of the latest subsequences to the nearest earlier ones, at windows that follow the series' period."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any, Final

import numpy as np

from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors import ar_residual
from pynomaly.domain.detectors.ar_residual import ArResidualOptions
from pynomaly.domain.detectors.lags import ROOM, least, move_to_room, whole_words
from pynomaly.domain.detectors.magnitude import FLAT, bounded
from pynomaly.domain.detectors.moments import winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_SHORT: Final = 8  # records of the first window
_SHORTEST_HALF: Final = 6
_LONGEST: Final = 200
_USUAL_PERIOD: Final = 125  # of a series whose autocorrelation has no peak
_LAGS: Final = 300  # of the autocorrelation
_FIRST_LAG: Final = 3
_WINDOWS: Final = 3
_PATTERN, _FORECASTED = _WINDOWS, _WINDOWS + 1  # facets after those of the windows
_FORECAST: Final = ArResidualOptions()
_FARTHEST: Final = 20.0  # standard deviations told apart
_LARGEST: Final = 1e18  # its square is still a finite float32
_FLAT_SD: Final = np.float32(0.1)  # added to a window's, so that flat stretches have a shape that is mostly flat
_ONE, _TWO = np.float32(1.0), np.float32(2.0)


@dataclass(frozen=True)
class ShapeProfileOptions(Options):
    """Distances of the last windows of a series to the most similar windows before them, at the series' own period.

    Catches shapes that the series has not shown before, whatever its level: a beat that is missing or out of step, a
    cycle cut short or stretched, a wave with noise on it. Where `left_matrix_profile` finds events, this ranks longer
    anomalies among noise. Fails on what has happened once before within the horizon, on slow drifts and changes of
    level without a shape, and says nothing before ``period_records`` records. Cost O(horizon), 3 us at 2,000 (13 with
    10,000 series, whose states no cache holds), and once O(horizon * period) when the period is told; 33 * horizon +
    5,700 bytes a series.

    Five scores: after its mean is taken from each window, the root mean squared difference to the nearest earlier one,
    at 8 records (`short`), half a period (`half`) and a period (`period`); and at a period with the deviation divided
    out as well (`pattern`), where 0.1 standard deviations of the series are added to that of each window, so that flat
    stretches do not turn noise into shapes. A window meets none that overlaps it.

    These are left matrix profiles (Yeh et al., ICDM 2016, "Matrix Profile I"; left: Lu et al., KDD 2022, "Matrix
    profile XXIV", section 2) over a horizon, exact in it. For each lag the sum of squared differences of both windows
    is carried along (STOMP's recurrence, Zhu et al., ICDM 2016, section III.B, turned to run along lags, on differences
    in place of products); what levels and deviations take from it follows from the moments of the windows. One lag a
    record is summed anew, so that rounding errors live no longer than the horizon. The period is the lag, from 4 to
    299 records, at which the autocorrelation of the first ``period_records`` records has its highest peak, within 8 to
    200; 125 where there is none. Those records also give the scale, once for all: values count up to 20 of their
    standard deviations. A series that begins constant has both from the first record on that differs. The fifth score
    (`forecast`) is that of `ar_residual`, whose moments these are.
    """

    horizon: int = option(2_000, "records back to the farthest window", low=400, high=100_000)
    period_records: int = option(2_000, "records that tell scale and period", low=600, high=1_000_000)


def _layout(options: ShapeProfileOptions, _fields: int) -> Layout:
    reach = options.horizon + _LONGEST + 1
    by_end = (_WINDOWS, whole_words(options.horizon + 1 + ROOM))
    state = zeros(
        [
            ("rows", "i8"),
            ("first", "f8"),  # what values are relative to
            ("center", "f8"),  # of the values, once the scale is known
            ("scale", "f8"),  # 0 before
            ("filled", "i8"),  # records in the buffer
            ("newest", "i8"),  # where the newest of them stands; older ones follow it
            ("window", "i8", (_WINDOWS,)),  # short, half a period, a period
            ("lagged", "f8", (_LAGS + 1,)),  # products of values so many records apart
            ("distance", "f4", (_WINDOWS, whole_words(options.horizon + 1))),  # of the newest window, by lag, squared
            ("level", "f4", by_end),  # mean of the window that ends there
            ("spread", "f4", by_end[1:]),  # of the longest window there: sum of squared deviations from its mean
            ("value", "f4", (whole_words(reach + ROOM),)),
            *ar_residual.state_fields(_FORECAST),
        ]
    )
    state["newest"] = ROOM
    ar_residual.begin(state)
    params = row(horizon=options.horizon, period_records=options.period_records, **ar_residual.numbers(_FORECAST))
    return Layout(state, params)


@compiled
def _scaled(state: Row, x: float) -> np.float32:
    return np.float32(min(max((bounded(x) - state.center) / state.scale, -_FARTHEST), _FARTHEST))


@compiled
def _relative(state: Row, x: float) -> float:
    """Return x relative to the first value and within 20 standard deviations of the values before, once there are."""
    deviation = winsorised(bounded(x) - state.mean, state.variance, state.count, state.mean, _FARTHEST)
    return min(max(state.mean + deviation - state.first, -_LARGEST), _LARGEST)


@compiled
def _moments(state: Row, value: np.float32, window: int) -> tuple[float, float]:
    """Return mean and sum of squared deviations of the window that ends with a value to come."""
    total = float(value)
    for age in range(window - 1):
        total += float(state.value[state.newest + age])
    mean = total / window
    squares = (float(value) - mean) ** 2
    for age in range(window - 1):
        squares += (state.value[state.newest + age] - mean) ** 2
    return mean, squares


@compiled
def _moved(distance: Any, recent: Any, old: Any, value: np.float32, leaving: np.float32) -> Any:
    """Return the sums of squared differences, lag by lag, once the value has come and the oldest ones have left."""
    moved = np.empty(len(distance), np.float32)
    for lag in range(len(distance)):
        entering, gone = value - recent[lag], leaving - old[lag]
        moved[lag] = distance[lag] + entering * entering - gone * gone
    return moved


@compiled
def _take_levels(squares: Any, levels: Any, level: np.float32, window: np.float32) -> None:
    """Take from each sum, in place, what the difference of the windows' means adds to it."""
    for lag in range(len(squares)):
        apart = level - levels[lag]
        squares[lag] -= window * apart * apart


@compiled
def _take_deviations(squares: Any, spreads: Any, spread: np.float32, window: np.float32) -> None:
    """Turn each sum, in place, into 1 - the correlation of windows with somewhat larger deviations."""
    per = _ONE / window
    half, sd = per / _TWO, np.sqrt(spread * per) + _FLAT_SD
    for lag in range(len(squares)):
        covariance = (spread + spreads[lag] - squares[lag]) * half
        squares[lag] = _ONE - covariance / (sd * (np.sqrt(spreads[lag] * per) + _FLAT_SD))


@compiled
def score(state: Row, params: Row, x: float, time_ns: int, scores: Any) -> None:
    """Write the distances, NaN before ``period_records`` and 0 without a scale, and the error of the forecast."""
    scores[:] = nan if state.rows < params.period_records else 0.0
    scores[_FORECASTED] = ar_residual.score(state, params, x, time_ns)
    if state.scale == 0.0:
        return
    value = _scaled(state, x)
    for number in range(_WINDOWS):
        window = state.window[number]
        mean, spread = _moments(state, value, window)
        last = min(params.horizon, state.filled + 1 - window)
        ends = slice(state.newest - 1 + window, state.newest + last)
        gone = state.newest + window - 1
        moved = _moved(
            state.distance[number, window : last + 1],
            state.value[ends],
            state.value[gone + window : gone + last + 1],
            value,
            state.value[gone],
        )
        _take_levels(moved, state.level[number, ends], np.float32(mean), np.float32(window))
        scores[number] = sqrt(least(moved) / window)
        if number == _WINDOWS - 1:
            _take_deviations(moved, state.spread[ends], np.float32(spread), np.float32(window))
            scores[_PATTERN] = sqrt(2.0 * least(moved))


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:
    """Take x into the forecast, and into the distances of all lags or first into scale and period."""
    if state.rows == 0:
        state.first = bounded(x)
    state.rows += 1
    if state.newest == 0:
        _make_room(state)
    if state.scale > 0.0:
        _learn_shape(state, params, _scaled(state, x))
        ar_residual.learn(state, params, x, time_ns)
    else:
        value = _relative(state, x)
        ar_residual.learn(state, params, x, time_ns)
        _learn_period(state, params, value)


@compiled
def _learn_shape(state: Row, params: Row, value: np.float32) -> None:
    """Let the windows of every lag take in the value and let go of their oldest one."""
    lags, at = params.horizon, state.newest
    for number in range(_WINDOWS):
        gone = at + state.window[number] - 1
        mean, spread = _moments(state, value, state.window[number])
        distance = state.distance[number, 1 : lags + 1]
        distance[:] = _moved(
            distance, state.value[at : at + lags], state.value[gone + 1 : gone + 1 + lags], value, state.value[gone]
        )
        state.level[number, at - 1], state.spread[at - 1] = mean, spread  # the last one's spread stays
    _push(state, params, value)
    lag = 1 + state.rows % lags
    for number in range(_WINDOWS):
        _sum_anew(state, number, lag)


@compiled
def _learn_period(state: Row, params: Row, value: float) -> None:
    _push(state, params, np.float32(value))
    for lag in range(min(_LAGS + 1, state.filled)):
        state.lagged[lag] += value * float(state.value[state.newest + lag])
    if state.rows >= params.period_records:
        _fix_scale_and_period(state, params)


@compiled
def _push(state: Row, params: Row, value: np.float32) -> None:
    state.newest -= 1
    state.value[state.newest] = value
    state.filled = min(state.filled + 1, params.horizon + _LONGEST)


@compiled
def _fix_scale_and_period(state: Row, params: Row) -> None:
    """Fix both, and bring what the buffer holds to that scale; wait on while the series is constant."""
    sd = sqrt(state.variance)
    if sd <= FLAT * abs(state.mean):
        return
    state.center, state.scale = state.mean, sd
    mean = state.mean - state.first
    for index in range(state.newest, state.newest + state.filled):
        value = (float(state.value[index]) - mean) / sd
        state.value[index] = min(max(value, -_FARTHEST), _FARTHEST)
    period = _period(state, mean)
    state.window[0], state.window[1], state.window[2] = _SHORT, max(period // 2, _SHORTEST_HALF), period
    for number in range(_WINDOWS):
        _fill_window(state, params, number)


@compiled
def _fill_window(state: Row, params: Row, number: int) -> None:
    """Find moments and distances of all windows of a length in the buffer."""
    window = state.window[number]
    for end in range(state.newest, state.newest + min(params.horizon + 1, state.filled - window + 1)):
        total, squares = 0.0, 0.0
        for index in range(end, end + window):
            total += state.value[index]
        for index in range(end, end + window):
            squares += (state.value[index] - total / window) ** 2
        state.level[number, end], state.spread[end] = total / window, squares
    for lag in range(1, params.horizon + 1):
        _sum_anew(state, number, lag)


@compiled
def _period(state: Row, mean: float) -> int:
    """Return the lag of the highest peak of the autocorrelation, within the windows' lengths."""
    best, period = -np.inf, _USUAL_PERIOD
    before, here = _covariance(state, mean, _FIRST_LAG), _covariance(state, mean, _FIRST_LAG + 1)
    for lag in range(_FIRST_LAG + 1, _LAGS):
        after = _covariance(state, mean, lag + 1)
        if before < here > after and here > best:
            best, period = here, lag
        before, here = here, after
    return min(max(period, _SHORT), _LONGEST)


@compiled
def _covariance(state: Row, mean: float, lag: int) -> float:
    """Return the sum of products of deviations so many records apart; the few at either end count as average."""
    return float(state.lagged[lag] - (state.rows - lag) * mean * mean)


@compiled
def _make_room(state: Row) -> None:
    move_to_room(state.value)
    move_to_room(state.spread)
    for number in range(_WINDOWS):
        move_to_room(state.level[number])
    state.newest = ROOM


@compiled
def _sum_anew(state: Row, number: int, lag: int) -> None:
    """Sum the squared differences of the newest window and the one so many records before it."""
    squares = 0.0
    for age in range(state.window[number]):
        difference = float(state.value[state.newest + age]) - float(state.value[state.newest + age + lag])
        squares += difference * difference
    state.distance[number, lag] = np.float32(squares)


SHAPE_PROFILE = Detector(
    "shape_profile",
    ShapeProfileOptions,
    _layout,
    score,
    learn,
    facets=("short", "half", "period", "pattern", "forecast"),
    calibration=CalibrationOptions(resolution="coarse", gate=2.0),
    channel=Channel(policy=AlertPolicyOptions(sampling_slope=5.0), weight=0.1, ranked=20.0),
)
