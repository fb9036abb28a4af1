"""Jumps away from the last few values."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

from pynomaly.domain.detectors.magnitude import bounded
from pynomaly.domain.detectors.moments import moved_mean_square, share_of
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.median import lower_median
from pynomaly.domain.option import Options, option

_FARTHEST = 1e12  # most scales that a score tells apart


@dataclass(frozen=True)
class JumpOptions(Options):
    """Distance from the median of the last few values, in units of the usual such distance.

    Catches sudden jumps of smooth series, such as business metrics by the minute, whatever their level, trend and
    season. Fails on slow changes and on series whose every record jumps. Cost O(window^2) comparisons: 25 by default,
    8 * window + 24 bytes a series.

    The median of the records before is that of Tukey's running medians ("Exploratory Data Analysis", 1977, chapter 7);
    the scale is the exponentially weighted root mean square of the distances, each learned up to ``clip`` scales, so
    that a spike does not widen it. Distances of exactly 0 are neither learned nor counted: a series that starts with
    a constant stretch would else have no scale for ever, and one that is mostly 0 would alarm at every burst. Until
    ``warm_up`` other distances were seen the score is 0.
    """

    window: int = option(5, "records whose median is the reference", low=1, high=31)
    half_life: float = option(10_000.0, "distances after which one counts half", low=1.0, high=1e9)
    clip: float = option(4.0, "scales up to which a distance is learned", low=1.0, high=100.0)
    warm_up: int = option(50, "distances other than 0 before the first score above 0", low=2, high=1_000_000)


def state_fields(options: JumpOptions) -> list[tuple[Any, ...]]:
    """Return the fields that the functions of this module keep in a row."""
    return [("count", "i8"), ("distances", "i8"), ("mean_square", "f8"), ("recent", "f8", (options.window,))]


def numbers(options: JumpOptions) -> dict[str, float]:
    """Return what they read of the options."""
    return {"rate": rate(options.half_life), "clip": float(options.clip), "warm_up": options.warm_up}


def _layout(options: JumpOptions, _fields: int) -> Layout:
    return Layout(zeros(state_fields(options)), row(**numbers(options)))


@compiled
def _is_warm(state: Row, params: Row) -> bool:
    return bool(state.count >= len(state.recent) + params.warm_up)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return |x - median| / scale of the records before; 0 while there is no scale, NaN until warm."""
    if not _is_warm(state, params):
        return nan
    if state.distances < params.warm_up:
        return 0.0
    return min(abs(bounded(x) - lower_median(state.recent)) / sqrt(state.mean_square), _FARTHEST)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Learn the distance of x from the median, and put x in the place of the oldest value."""
    x = bounded(x)
    if state.count >= len(state.recent):
        distance = abs(x - lower_median(state.recent))
        if distance > 0.0:
            _learn_distance(state, params, distance)
    state.recent[state.count % len(state.recent)] = x
    state.count += 1


@compiled
def _learn_distance(state: Row, params: Row, distance: float) -> None:
    if state.distances >= params.warm_up:
        distance = min(distance, params.clip * sqrt(state.mean_square))
    state.distances += 1
    state.mean_square = moved_mean_square(state.mean_square, share_of(params.rate, state.distances), distance)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the median of the last few values."""
    return lower_median(state.recent) if _is_warm(state, params) else nan


JUMP = Detector("jump", JumpOptions, _layout, score, learn, expect)
