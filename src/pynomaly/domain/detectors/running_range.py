"""New minimum or maximum of everything so far."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, nan

from pynomaly.domain.detectors.magnitude import FLAT, bounded
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_SOFT_THRESHOLD = 1.0  # what the combination of severities takes off by default
_FARTHEST = 1e12  # most ranges that a severity tells apart


@dataclass(frozen=True)
class RunningRangeOptions(Options):
    """Distance outside the range of all values so far, in units of that range.

    Catches values never seen before, however rare they are in the scores' own past: a severity is 1 + base +
    slope * log10(1 + 100 * distance / range), and 0 inside the range. Fails on anomalies inside the range, on
    series with a trend (every record is a new extreme), and on the side of one corrupt value for ever unless it
    forgets. A series that never moved has no range: leaving it counts as the smallest new extreme. Cost O(1),
    24 bytes a series.

    With a half-life each bound moves towards every value inside it by half of their distance in that many
    records, which turns ordinary extremes into news: on the Numenta Anomaly Benchmark a half-life of 2,000
    records costs 11 points, one of 8,000 to 20,000 costs 1. Give it a tolerance then.
    """

    base: float = option(1.6, "severity above 1 of a new extreme next to the range", low=0.0, high=100.0)
    slope: float = option(0.8, "severity added by each tenfold distance", low=0.0, high=100.0)
    tolerance: float = option(0.0, "distance outside that is still ordinary [ratio of the range]", low=0.0, high=1e6)
    warm_up: int = option(150, "records of a series before its first score", low=2, high=1_000_000)
    half_life: float | None = option(
        None, "records in which a bound forgets half of its distance to the values; none: never", low=1.0, high=1e9
    )


def _layout(options: RunningRangeOptions, _fields: int) -> Layout:
    return Layout(
        zeros([("low", "f8"), ("high", "f8"), ("count", "i8")]),
        row(
            base=_SOFT_THRESHOLD + options.base,
            slope=float(options.slope),
            tolerance=float(options.tolerance),
            warm_up=options.warm_up,
            rate=0.0 if options.half_life is None else rate(options.half_life),
        ),
    )


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the severity of leaving the range, 0 inside it, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    x = bounded(x)
    outside = max(x - state.high, state.low - x)
    extent = state.high - state.low
    rounding = FLAT * max(abs(state.low), abs(state.high))
    if outside <= max(params.tolerance * extent, rounding):
        return 0.0
    ranges = min(outside / extent, _FARTHEST) if extent > rounding else 0.0
    return params.base + params.slope * log10(1.0 + 100.0 * ranges)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Widen the range to x, and forget a little of what lies beyond."""
    x = bounded(x)
    if state.count == 0:
        state.low = x
        state.high = x
    state.low = min(x, state.low + params.rate * (x - state.low))
    state.high = max(x, state.high + params.rate * (x - state.high))
    state.count += 1


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the value inside the range nearest to x."""
    return min(max(x, state.low), state.high) if state.count >= params.warm_up else nan


RUNNING_RANGE = Detector("running_range", RunningRangeOptions, _layout, score, learn, expect, scale="severity")
