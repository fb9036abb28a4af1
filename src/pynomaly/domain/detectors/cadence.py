"""Time between the records of a series."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan, sqrt

from pynomaly.domain.detectors.moments import moved_moments, share_of
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_NS_PER_S = 1e9
_FARTHEST_LEARNED = 10.0  # standard deviations; a silence must not hide the next ones


@dataclass(frozen=True)
class CadenceOptions(Options):
    """Distance of the time since the series' last record from what is usual, on a logarithmic scale.

    Catches silences, at the record that ends them, and bursts. It looks at event times only, never at values. Fails
    on a series that never comes back (nothing is scored without a record), on series whose pace follows the time of
    day, and says little of records that come at random. A series whose event times are all 0 has no clock: every score
    is NaN. Cost O(1), 32 bytes a series.

    The score is |log gap - mean| / sd with exponentially weighted moments of log gap. Gaps count as at least
    ``resolution_s``, so that records of one batch do not differ, and sd as at least ``tolerance``, so that the jitter
    of a regular series is none. A record that is not later than the last one, with event times out of order, scores 0
    unless it has the same time, and is not learned. A gap is learned up to 10 sd. The logarithm makes a gap twice as
    long as far off as one half as long; intervals of Poisson arrivals have an sd of pi / sqrt(6) = 1.28 on that scale
    (the Gumbel distribution's).
    """

    half_life: float = option(200.0, "gaps after which a gap counts half", low=1.0, high=1e9)
    tolerance: float = option(0.1, "least standard deviation of log gap; 0.1: some 10 % longer", low=1e-3, high=10.0)
    resolution_s: float = option(1e-3, "shortest gap that is told apart [s]", low=1e-9, high=1e6)
    warm_up: int = option(20, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: CadenceOptions, _fields: int) -> Layout:
    state = zeros([("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("last_ns", "i8")])
    params = row(
        rate=rate(options.half_life),
        tolerance=float(options.tolerance),
        resolution_ns=options.resolution_s * _NS_PER_S,
        warm_up=options.warm_up,
    )
    return Layout(state, params)


@compiled
def _deviation(state: Row, params: Row, time_ns: int) -> float:
    """Return how far the logarithm of the gap lies from the mean."""
    return float(log(max(float(time_ns - state.last_ns), params.resolution_ns)) - state.mean)


@compiled
def _sd(state: Row, params: Row) -> float:
    return max(sqrt(state.variance), params.tolerance)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return |log gap - mean| / sd of the gaps before; NaN until warm, or without a clock."""
    if time_ns == 0 or state.count < params.warm_up - 1:
        return nan
    if time_ns < state.last_ns:
        return 0.0
    return abs(_deviation(state, params, time_ns)) / _sd(state, params)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Move mean and variance towards the logarithm of the gap, unless the record has none or is out of order."""
    if time_ns == 0 or time_ns < state.last_ns:
        return
    if state.last_ns > 0:
        deviation, farthest = _deviation(state, params, time_ns), _FARTHEST_LEARNED * _sd(state, params)
        if state.count > 0:
            deviation = min(max(deviation, -farthest), farthest)
        state.count += 1
        share = share_of(params.rate, state.count)
        state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)
    state.last_ns = time_ns


CADENCE = Detector("cadence", CadenceOptions, _layout, score, learn)
