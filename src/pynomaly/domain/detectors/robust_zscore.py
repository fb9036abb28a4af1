"""Robust z-score over several half-lives, of values or of their differences."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from pynomaly.domain.detectors.magnitude import bounded, deviations
from pynomaly.domain.detectors.moments import moved_moments, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_LEAST_COUNT = 16  # of records in a mean that has to move; a clipped one takes off that part of the count


@dataclass(frozen=True)
class RobustZScoreOptions(Options):
    """Largest distance from exponentially weighted means of several half-lives, in their robust standard deviations.

    Catches spikes and level shifts, right after others too, because an outlier hardly widens the scale; short
    half-lives see what is strange after the last minutes, long ones what is strange after the last day. Of differences
    it catches sudden steps of series that wander. Fails on slow drifts and inside a season as `ew_zscore` does, and on
    a burst of outliers that goes on: after some dozen records in a row it is the new normal. Cost O(scales), 24 bytes
    for each and 16 more a series.

    Means and variances are learned with bounded influence: a deviation counts up to ``clip`` standard deviations, as
    Huber's psi does (Annals of Mathematical Statistics 1964, "Robust estimation of a location parameter"; recursive
    with exponential weights: Gelper, Fried and Croux, Journal of Forecasting 2010, "Robust forecasting with
    exponential and Holt-Winters smoothing", section 3). Deviations: the scale is the root mean square of what is
    learned, without a factor for consistency, which the calibrator takes out; the first 5 records count whole; each
    clipped record takes a sixteenth off the count of records that a mean rests on (down to 15), so that a shift which
    lasts is adopted in tens of records whatever the half-life. Half-lives are spaced by equal factors.
    """

    shortest_half_life: float = option(30.0, "records after which a record counts half, fastest", low=1.0, high=1e9)
    longest_half_life: float = option(1000.0, "records after which a record counts half, slowest", low=1.0, high=1e9)
    scales: int = option(3, "number of half-lives", low=1, high=16)
    of: str = option("values", "what is scored", choices=("values", "differences"))
    clip: float = option(3.0, "standard deviations up to which a deviation is learned", low=1.0, high=100.0)
    warm_up: int = option(30, "records of a series before its first score", low=3, high=1_000_000)


def _layout(options: RobustZScoreOptions, _fields: int) -> Layout:
    moments = np.dtype([("mean", "f8"), ("variance", "f8"), ("count", "i8")], align=True)
    state = zeros([("moments", moments, (options.scales,)), ("previous", "f8"), ("count", "i8")])
    half_lives = np.geomspace(options.shortest_half_life, options.longest_half_life, options.scales)
    params = zeros([("rate", "f8", (options.scales,)), ("clip", "f8"), ("warm_up", "i8"), ("of_differences", "?")])
    params["rate"] = [rate(half_life) for half_life in half_lives.tolist()]
    params["clip"], params["warm_up"] = options.clip, options.warm_up
    params["of_differences"] = options.of == "differences"
    return Layout(state, params)


@compiled
def _origin(state: Row, params: Row) -> float:
    return float(state.previous) if params.of_differences else 0.0


@compiled
def _distance(moments: Row, state: Row, value: float) -> float:
    level = max(abs(moments.mean), abs(state.previous))  # a difference is rounded as its values are
    return deviations(abs(value - moments.mean), sqrt(moments.variance), level)


@compiled
def _farthest(state: Row, value: float) -> int:
    """Return which half-life finds the value strangest."""
    farthest, distance = 0, 0.0
    for index in range(len(state.moments)):
        other = _distance(state.moments[index], state, value)
        if other > distance:
            farthest, distance = index, other
    return farthest


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the largest |x - mean| / sd over the half-lives, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    value = bounded(x) - _origin(state, params)
    return _distance(state.moments[_farthest(state, value)], state, value)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Move every mean and variance towards x, or towards its difference from the record before."""
    x = bounded(x)
    if state.count > 0 or not params.of_differences:
        value = x - _origin(state, params)
        for index in range(len(state.moments)):
            _learn_moments(state.moments[index], params.rate[index], value, params.clip)
    state.previous = x
    state.count += 1


@compiled
def _learn_moments(moments: Row, rate: float, value: float, clip: float) -> None:
    deviation = value - moments.mean
    learned = winsorised(deviation, moments.variance, moments.count, moments.mean, clip)
    moments.count = min(moments.count + 1, max(int(1.0 / rate) + 1, _LEAST_COUNT))
    if learned != deviation:
        moments.count -= moments.count // _LEAST_COUNT
    share = share_of(rate, moments.count)
    moments.mean, moments.variance = moved_moments(moments.mean, moments.variance, share, learned)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the mean from which x is farthest; of differences: the record before, moved by that mean."""
    if state.count < params.warm_up:
        return nan
    origin = _origin(state, params)
    return float(origin + state.moments[_farthest(state, bounded(x) - origin)].mean)


ROBUST_ZSCORE = Detector("robust_zscore", RobustZScoreOptions, _layout, score, learn, expect)
