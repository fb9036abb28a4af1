"""Tukey's fences around the last values of a series."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from pynomaly.detector import Detector, Layout, Options, Row, bounded, compiled, deviations, option, row, zeros
from pynomaly_tukey_fence.ordered_window import insert, quantile, remove


@dataclass(frozen=True)
class TukeyFenceOptions(Options):
    """Distance from the median of the last values, in heights of their box plot.

    Catches spikes and dips, and goes on catching them while up to a quarter of the window is outliers, because
    quartiles do not feel how far away those are. Fails on what stays within the spread of the window, so on slow
    drifts, and on a level shift once it fills half of the window. Cost O(window), 16 bytes for each of its records and
    16 more a series.

    The box is that of Tukey (1977), "Exploratory Data Analysis", section 2C: from the lower to the upper quartile.
    Deviations: the score is the distance from the median over the height of the box, whereas Tukey draws fences at 1.5
    and 3 heights from the box's ends (2 and 3.5 from the median of symmetric values); no value is inside or outside,
    since pynomaly's calibrator judges how rare a score is. Quartiles are interpolated (Hyndman and Fan, The American
    Statistician 1996, definition 7) instead of his hinges. A box without height knows scores 0 and 10 only.
    """

    window: int = option(200, "records that the box is drawn of", low=4, high=100_000)
    warm_up: int = option(30, "records of a series before its first score", low=4, high=1_000_000)


def _layout(options: TukeyFenceOptions, _fields: int) -> Layout:
    # `recent` is a ring in the order of arrival; `ordered` holds the same values in the order of their size.
    window = options.window
    state = zeros([("count", "i8"), ("kept", "i8"), ("recent", "f8", (window,)), ("ordered", "f8", (window,))])
    return Layout(state, row(window=window, warm_up=options.warm_up))


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the distance from the median in heights of the box, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    median = quantile(state.ordered, state.kept, 0.5)
    height = quantile(state.ordered, state.kept, 0.75) - quantile(state.ordered, state.kept, 0.25)
    return deviations(abs(bounded(x) - median), height, median)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Let x take the place of the oldest value."""
    x = bounded(x)
    place = state.count % params.window
    if state.kept == params.window:
        remove(state.ordered, state.kept, state.recent[place])
        state.kept -= 1
    insert(state.ordered, state.kept, x)
    state.kept += 1
    state.recent[place] = x
    state.count += 1


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the median."""
    return quantile(state.ordered, state.kept, 0.5) if state.count >= params.warm_up else nan


TUKEY_FENCE = Detector("tukey_fence", TukeyFenceOptions, _layout, score, learn, expect)
