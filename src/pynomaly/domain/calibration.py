"""Scores to severities: how rare a score is in the series' own past.

One calibrator for every detector, so that a severity means the same everywhere. It keeps an exponentially decayed
histogram of log(score) in 256 bins, 1 KB as float32. Below the quantile ``q`` the tail probability is the empirical
mass above the score; above it an exponential tail in log space continues it, whose mean log excess is Hill's estimator
(Hill 1975, "A simple general approach to inference about the tail of a distribution", eq. 2) with a prior worth three
records, so that the first exceedances of a series do not explode.

There are two resolutions. Measured rates of false alerts are in docs/calibration.md.

* *fine*: bins of 0.5 % at first, which double up to 8 % where the scores need the range. Where the tail weighs more
  than 20 records it is empirical as well, down to where it weighs 20, and Hill's estimator begins there: a light tail
  is not a line in log space, but over one decade it nearly is. The prior is the estimate from the quantile on;
  no less than 0.4 of that is believed, or scores that crowd below a limit would make the next one a wonder.
* *coarse*: bins of 8 %, and Hill's estimator from the quantile on. Severities of light-tailed scores are too low, which
  keeps a sum of many parts quiet; the alert levels of `auto` were chosen with it.

Detectors differ in scale, so the bins follow the scores, on one grid for all series with bins as wide:

* A score in the highest bin or beyond, while the quantile is within 32 bins of it, moves the bins up, until the score
  is in the middle or a quarter of the weight would have been gathered in the lowest bin.
* Such a score, while three records' weight is in the highest bin, doubles the bins instead if they may.
* A score below the bins, while the lowest one holds more than a tenth of the weight, doubles the bins if they may. If
  not, while it holds more than half, they move back down, by no more than they have gone up: the first scores were
  absurd. What was in the lowest bin goes where this score is.
* Any other score beyond the bins counts in the bin at that end. Scores below e^-14 (8e-7) are so all the same. If
  more than the tail's share is in the highest bin all the same, severities end at that of the quantile.

The mass above the quantile and its log sum are carried along, so a record costs O(1) above the quantile (with fine
bins a pass over those of the last records) and, below it, one pass over the bins between the score and the quantile.
They are rebuilt from the bins only when these move or the weights are rescaled, which happens at record counts fixed
by the half-life; a restored state goes on with the saved sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, log10, nan
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.layout import Layout, row
from pynomaly.domain.option import Options, option
from pynomaly.domain.prefetch import prefetch

BINS = 256
_WIDEST = 4  # doublings of the bins at the end: their ratio is 1.08 then
_LOG_PER_BIN = log(1.08) / 2**_WIDEST
_BINS_PER_LOG = 1.0 / _LOG_PER_BIN
_LOWEST_LOG = -14.0
_SMALLEST = 1e-12  # added to a score, so that the logarithm of 0 exists
_PRIOR_RECORDS = 3.0
_PRIOR_EXCESS = 0.08  # mean log excess of the prior: about one bin
#: Doublings of a new series, most records that the fitted tail begins with, least mean log excess.
_RESOLUTIONS: Final = {"fine": (0, 20.0, 0.0), "coarse": (_WIDEST, inf, 0.02)}
_CUT_OFF_RECORDS = 3.0  # weight in the highest bin from which the bins double
_STEEPER = 0.4  # least mean log excess of the last records, as a share of that from the quantile on
_CUT_OFF_BELOW = 0.1  # share in the lowest bin from which they do
_RESCALE_AT = 1e6  # weight of the newest record at which all weights are divided by it
_TOP = BINS - 1
_HIGHEST_THRESHOLD = _TOP - 32  # from here on a score in the highest bin moves the bins
_MIDDLE_BIN = BINS // 2
_ANYWHERE = 1 << 22  # more bins than there are between any two scores
_CACHE_LINE = 64  # bytes
_LOG10_E = 0.4342944819032518
_STATE = np.dtype(
    [
        ("total", "f8"),  # weight of all scores
        ("tail", "f8"),  # weight above the threshold bin
        ("tail_log", "f8"),  # the same, times the middle of each bin in log space
        ("weight", "f8"),  # weight of the next score
        ("count", "i8"),  # scores learned
        ("threshold", "i2"),  # highest bin below the tail
        ("doublings", "i2"),  # how often the width of a bin has doubled
        ("shift", "i4"),  # bins by which all of them have moved up
        ("mass", "f4", (BINS,)),  # weight by bin
    ],
    align=True,
)
_FIRST_BIN = _STATE.itemsize - 4 * BINS  # offset of the bins in a row


@dataclass(frozen=True)
class CalibrationOptions(Options):
    """How a part's scores become severities."""

    method: Literal["histogram", "spot", "dspot"] = option(
        "histogram",
        "histogram: follows the scores; spot: a generalised Pareto tail over a threshold that the warm-up fixes; "
        "dspot: the same of a score less the mean of those before it",
        choices=("histogram", "spot", "dspot"),
    )
    # Beyond 5e6 a bin would reach the 2^24 weights of the newest record at which float32 no longer counts.
    half_life: float = option(10_000.0, "records after which a score counts half", low=100.0, high=5e6)
    quantile: float = option(0.99, "share of the scores below the fitted tail", low=0.5, high=0.9999)
    warm_up: int = option(150, "scores of a series before its first severity", low=1, high=10_000_000)
    resolution: Literal["fine", "coarse"] = option(
        "fine",
        "fine: bins of 2 % or as the scores need, and a tail from the last 40 records, for true rates of false alerts; "
        "coarse: bins of 8 % and a tail from the quantile, which is cautious where scores have light tails",
        choices=("fine", "coarse"),
    )
    gate: float | None = option(None, "severity above which a score is hardly learned", low=0.1, high=1e6)
    gated: float = option(0.01, "weight with which it is learned; with spot and dspot it is not", low=0.0, high=1.0)
    drift_window: int = option(200, "scores before one whose mean dspot takes from it", low=1, high=10_000)


def calibrator_layout(options: CalibrationOptions) -> Layout:
    """Return the memory of one calibrator: 1,072 bytes a series."""
    initial: NDArray[np.void] = np.zeros(1, _STATE)
    initial["weight"] = 1.0
    initial["threshold"] = BINS - 1
    doublings, tail_records, steepest = _RESOLUTIONS[options.resolution]
    initial["doublings"] = doublings
    params = row(
        growth=0.5 ** (-1.0 / options.half_life),
        tail_share=1.0 - options.quantile,
        at_threshold=-log10(1.0 - options.quantile),
        tail_records=tail_records,
        steepest=steepest,
        warm_up=options.warm_up,
        gate=inf if options.gate is None else options.gate,
        gated=options.gated,
    )
    return Layout(initial, params)


@compiled
def position_of(score: float) -> float:
    """Return where a score stands in log space: what the calibrator reads and learns. NaN for an unknown score."""
    return log(score + _SMALLEST)


@compiled
def severity(state: Row, params: Row, position: float) -> float:
    """Return -log10 P(S >= score) as the scores learned so far show it; NaN while unknown."""
    if state.count < params.warm_up or position != position:  # noqa: PLR0124 - NaN, in compiled code
        return nan
    if position > _lower_edge(state, state.threshold + 1) and state.threshold < _TOP:
        return _tail_severity(state, params, position)
    lowest = min(max(_place(state, position) - state.shift, 0), _TOP)
    above = state.tail + 0.5 * state.mass[lowest] + _sum_between(state, lowest + 1, state.threshold + 1)
    return abs(log10(min(max(above / state.total, params.tail_share), 1.0)))  # abs: for 1 this is no -0.0


@compiled
def _tail_severity(state: Row, params: Row, position: float) -> float:
    """Continue the empirical tail from where it weighs `tail_records`, or from the quantile if it weighs less there."""
    first, tail, tail_log, at_first = state.threshold + 1, state.tail, state.tail_log, params.at_threshold
    prior, steepest, least = _PRIOR_EXCESS, params.steepest, params.tail_records * state.weight
    if tail > least:
        first, tail, tail_log = _TOP + 1, 0.0, 0.0
        while tail < least and first > state.threshold + 1:
            first -= 1
            tail += state.mass[first]
            tail_log += state.mass[first] * _middle(state, first)
        own = _place(state, position) - state.shift
        if own < first:
            above = tail + 0.5 * state.mass[own] + _sum_between(state, own + 1, first)
            return max(-log10(above / state.total), params.at_threshold)
        at_first = max(-log10(tail / state.total), params.at_threshold)
        prior = _mean_excess(state, state.tail, state.tail_log, state.threshold + 1, _PRIOR_EXCESS)
        steepest = _STEEPER * prior
    mean_excess = max(_mean_excess(state, tail, tail_log, first, prior), steepest)
    return at_first + (position - _lower_edge(state, first)) / mean_excess * _LOG10_E


@compiled
def _mean_excess(state: Row, tail: float, tail_log: float, first: int, prior: float) -> float:
    """Return Hill's estimator of the bins from ``first`` on, with the prior."""
    prior_weight = state.weight * _PRIOR_RECORDS
    return (tail_log - tail * _lower_edge(state, first) + prior_weight * prior) / (tail + prior_weight)


@compiled
def _sum_between(state: Row, first: int, end: int) -> float:
    """Sum bins in eight chains, so that an addition need not wait for the one before.

    Unsigned places, because a signed one is compared with 0 at every access; this keeps the chains out of registers
    that hold several of them.
    """
    mass = state.mass
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    e, f, g, h = 0.0, 0.0, 0.0, 0.0
    index, stop = np.uint64(first), np.uint64(max(first, end))
    while index + np.uint64(8) <= stop:
        a += mass[index]
        b += mass[index + np.uint64(1)]
        c += mass[index + np.uint64(2)]
        d += mass[index + np.uint64(3)]
        e += mass[index + np.uint64(4)]
        f += mass[index + np.uint64(5)]
        g += mass[index + np.uint64(6)]
        h += mass[index + np.uint64(7)]
        index += np.uint64(8)
    while index < stop:
        a += mass[index]
        index += np.uint64(1)
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@compiled
def learn_score(state: Row, params: Row, position: float, severity: float) -> None:
    """Add a score to the histogram and move the threshold to the quantile; NaN is not learned.

    Beyond the gate it counts little, so that an anomaly that lasts stays one for longer: a new regime is learned all
    the same, as many times slower.
    """
    if position != position:  # noqa: PLR0124 - NaN, in compiled code
        return
    index = _place(state, position) - state.shift
    if index < 0 or index >= _TOP:
        _follow(state, index)
        index = min(max(_place(state, position) - state.shift, 0), _TOP)
    before = state.mass[index]
    share = params.gated if severity > params.gate else 1.0
    state.mass[index] = np.float32(before + share * state.weight)
    added = float(state.mass[index]) - float(before)  # what float32 kept of the weight
    state.total += added
    if index > state.threshold:
        state.tail += added
        state.tail_log += added * _middle(state, index)
    _move_threshold(state, params.tail_share * state.total)
    state.count += 1
    state.weight *= params.growth
    if state.weight > _RESCALE_AT:
        _rescale(state)


@compiled
def prefetch_bins(calibrators: NDArray[np.void], slot: int) -> None:
    """Ask for the 96 bins up to the threshold, among which nearly all scores of a series fall.

    Near the lowest bins it asks for a neighbouring row: a hint in vain, no access.
    """
    threshold = _FIRST_BIN + 4 * calibrators[slot].threshold
    for line in range(6):
        prefetch(calibrators, slot, threshold - _CACHE_LINE * line)


@compiled
def _place(state: Row, position: float) -> int:
    """Return the bin on the grid of all series whose bins are as wide."""
    return int((position - _LOWEST_LOG) * _BINS_PER_LOG) >> state.doublings


@compiled
def _lower_edge(state: Row, index: int) -> float:
    return (state.shift + index) * (_LOG_PER_BIN * (1 << state.doublings)) + _LOWEST_LOG


@compiled
def _middle(state: Row, index: int) -> float:
    return (state.shift + index + 0.5) * (_LOG_PER_BIN * (1 << state.doublings)) + _LOWEST_LOG


@compiled
def _move_threshold(state: Row, tail_limit: float) -> None:
    """Keep as many of the highest bins in the tail as weigh no more than the limit together."""
    while state.tail > tail_limit and state.threshold < _TOP:
        state.threshold += 1
        state.tail -= state.mass[state.threshold]
        state.tail_log -= state.mass[state.threshold] * _middle(state, state.threshold)
    while state.threshold >= 0 and state.tail + state.mass[state.threshold] <= tail_limit:
        state.tail += state.mass[state.threshold]
        state.tail_log += state.mass[state.threshold] * _middle(state, state.threshold)
        state.threshold -= 1


@compiled
def _rescale(state: Row) -> None:
    """Divide all weights by the newest one."""
    for index in range(BINS):
        state.mass[index] = np.float32(state.mass[index] / state.weight)
    state.weight = 1.0
    _sum_bins(state)


@compiled
def _sum_bins(state: Row) -> None:
    """Rebuild the sums from the bins."""
    state.total = 0.0
    state.tail = 0.0
    state.tail_log = 0.0
    for index in range(BINS):
        state.total += state.mass[index]
        if index > state.threshold:
            state.tail += state.mass[index]
            state.tail_log += state.mass[index] * _middle(state, index)


@compiled
def _follow(state: Row, index: int) -> None:
    """Move or widen the bins by the rules above for a score at their ends or beyond."""
    if index >= _TOP:
        if state.threshold >= _HIGHEST_THRESHOLD:
            by = min(index - _MIDDLE_BIN, _spare_bins(state))
            if by > 0:
                _regrid(state, state.doublings, state.shift + by, 0)
                return
        if state.doublings < _WIDEST and state.mass[_TOP] >= _CUT_OFF_RECORDS * state.weight:
            _regrid(state, state.doublings + 1, state.shift >> 1, 0)
    elif 0 > index >= -state.shift:
        by = max(index - _MIDDLE_BIN, -state.shift)
        if state.doublings < _WIDEST and state.mass[0] > _CUT_OFF_BELOW * state.total:
            shift = max(state.shift - BINS, 0) >> 1
            _regrid(state, state.doublings + 1, shift, max(((state.shift + index) >> 1) - shift, 0))
        elif 2.0 * state.mass[0] > state.total:
            _regrid(state, state.doublings, state.shift + by, index - by)


@compiled
def _spare_bins(state: Row) -> int:
    """Return by how many places the bins may move up without gathering a quarter of the weight in the lowest one.

    What is there from the start (a detector that mostly says 0) has no place that could be lost.
    """
    limit = 0.25 * state.total
    gathered = state.mass[0] if state.shift > 0 else 0.0
    for index in range(1, BINS):
        gathered += state.mass[index]
        if gathered > limit:
            return index - 1
    return _ANYWHERE


@compiled
def _regrid(state: Row, doublings: int, shift: int, lowest_to: int) -> None:
    """Put the weights into bins as wide and as high as told; what was in the lowest one goes to ``lowest_to``."""
    mass = np.zeros(BINS, np.float32)
    mass[lowest_to] = state.mass[0]
    for index in range(1, BINS):
        place = ((state.shift + index) >> (doublings - state.doublings)) - shift
        mass[min(max(place, 0), _TOP)] += state.mass[index]
    for index in range(BINS):
        state.mass[index] = mass[index]
    state.shift = shift
    state.doublings = doublings
    state.threshold = _TOP
    _sum_bins(state)
