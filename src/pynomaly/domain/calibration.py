"""Scores to severities: how rare a score is in the series' own past.

One calibrator for every detector, so that a severity means the same everywhere. It keeps an exponentially decayed
histogram of log(score): 256 bins of ratio 1.08, at first from e^-14 to e^5.7, 1 KB as float32. Below the quantile
``q`` the tail probability is the empirical mass above the score; above it an exponential tail in log space continues
it, whose mean log excess is Hill's estimator (Hill 1975, "A simple general approach to inference about the tail of a
distribution", eq. 2) with a prior worth three records, so that the first exceedances of a series do not explode.

Detectors differ in scale, so the bins follow the scores, on one grid for all series:

* A score in the highest bin or beyond, while the quantile is within a factor of 12 of it, moves the bins up, until
  the score is in the middle or a quarter of the weight would have been gathered in the lowest bin.
* A score below the bins, while the lowest one holds more than half of the weight, moves them back down, by no more
  than they have gone up: the first scores were absurd. What was in the lowest bin goes where this score is.
* Any other score beyond the bins counts in the bin at that end. Scores below e^-14 (8e-7) are so all the same. If
  more than the tail's share is in the highest bin all the same, severities end at that of the quantile.

The mass above the quantile and its log sum are carried along, so a record costs O(1) above the quantile and, below
it, one pass over the bins between the score and the quantile. They are rebuilt from the bins only when the weights
are rescaled, which happens at record counts fixed by the half-life; a restored state goes on with the saved sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, log10, nan

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.layout import Layout, row
from pynomaly.domain.option import Options, option
from pynomaly.domain.prefetch import prefetch

BINS = 256
_LOG_PER_BIN = log(1.08)
_BINS_PER_LOG = 1.0 / _LOG_PER_BIN
_LOWEST_LOG = -14.0
_SMALLEST = 1e-12  # added to a score, so that the logarithm of 0 exists
_PRIOR_RECORDS = 3.0
_PRIOR_EXCESS = 0.08  # mean log excess of the prior: about one bin
_STEEPEST = 0.02  # least mean log excess
_RESCALE_AT = 1e6  # weight of the newest record at which all weights are divided by it
_TOP = BINS - 1
_HIGHEST_THRESHOLD = _TOP - 32  # from here on a score in the highest bin moves the bins
_MIDDLE_BIN = BINS // 2
_ANYWHERE = 1 << 20  # more bins than there are between any two scores
_LOG10_E = 0.4342944819032518
_STATE = np.dtype(
    [
        ("total", "f8"),  # weight of all scores
        ("tail", "f8"),  # weight above the threshold bin
        ("tail_log", "f8"),  # the same, times the middle of each bin in log space
        ("weight", "f8"),  # weight of the next score
        ("count", "i8"),  # scores learned
        ("threshold", "i4"),  # highest bin below the tail
        ("shift", "i4"),  # bins by which all of them have moved up
        ("mass", "f4", (BINS,)),  # weight by bin
    ],
    align=True,
)
_FIRST_BIN = _STATE.itemsize - 4 * BINS  # offset of the bins in a row


@dataclass(frozen=True)
class CalibrationOptions(Options):
    """How a part's scores become severities."""

    # Beyond 5e6 a bin would reach the 2^24 weights of the newest record at which float32 no longer counts.
    half_life: float = option(10_000.0, "records after which a score counts half", low=100.0, high=5e6)
    quantile: float = option(0.99, "share of the scores below the fitted tail", low=0.5, high=0.9999)
    warm_up: int = option(150, "scores of a series before its first severity", low=1, high=10_000_000)
    gate: float | None = option(None, "severity above which a score is hardly learned", low=0.1, high=1e6)
    gated: float = option(0.01, "weight with which it is learned", low=0.0, high=1.0)


def calibrator_layout(options: CalibrationOptions) -> Layout:
    """Return the memory of one calibrator: 1,072 bytes a series."""
    initial: NDArray[np.void] = np.zeros(1, _STATE)
    initial["weight"] = 1.0
    initial["threshold"] = BINS - 1
    params = row(
        growth=0.5 ** (-1.0 / options.half_life),
        tail_share=1.0 - options.quantile,
        at_threshold=-log10(1.0 - options.quantile),
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
    threshold = (state.shift + state.threshold + 1) * _LOG_PER_BIN + _LOWEST_LOG
    if position > threshold and state.threshold < _TOP:
        excess = state.tail_log - state.tail * threshold + state.weight * _PRIOR_RECORDS * _PRIOR_EXCESS
        mean_excess = max(excess / (state.tail + state.weight * _PRIOR_RECORDS), _STEEPEST)
        return params.at_threshold + (position - threshold) / mean_excess * _LOG10_E
    lowest = min(max(_place(position) - state.shift, 0), _TOP)
    above = state.tail + 0.5 * state.mass[lowest]
    for index in range(lowest + 1, state.threshold + 1):
        above += state.mass[index]
    return abs(log10(min(max(above / state.total, params.tail_share), 1.0)))  # abs: for 1 this is no -0.0


@compiled
def learn_score(state: Row, params: Row, position: float, severity: float) -> None:
    """Add a score to the histogram and move the threshold to the quantile; NaN is not learned.

    Beyond the gate it counts little, so that an anomaly that lasts stays one for longer: a new regime is learned all
    the same, as many times slower.
    """
    if position != position:  # noqa: PLR0124 - NaN, in compiled code
        return
    index = _place(position) - state.shift
    if index < 0 or index >= _TOP:
        index = _follow(state, index)
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
    """Ask for the 48 bins up to the threshold, among which nearly all scores of a series fall.

    Near the lowest bins it asks for a neighbouring row: a hint in vain, no access.
    """
    threshold = _FIRST_BIN + 4 * calibrators[slot].threshold
    prefetch(calibrators, slot, threshold)
    prefetch(calibrators, slot, threshold - 64)
    prefetch(calibrators, slot, threshold - 128)


@compiled
def _place(position: float) -> int:
    """Return the bin on the grid of all series: the calibrator's own one as long as its bins have not moved."""
    return int((position - _LOWEST_LOG) * _BINS_PER_LOG)


@compiled
def _middle(state: Row, index: int) -> float:
    return (state.shift + index + 0.5) * _LOG_PER_BIN + _LOWEST_LOG


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
def _follow(state: Row, index: int) -> int:
    """Move the bins by the rules above for a score at their ends or beyond; return its bin."""
    if index >= _TOP and state.threshold >= _HIGHEST_THRESHOLD:
        by = min(index - _MIDDLE_BIN, _spare_bins(state))
        if by > 0:
            index -= by
            _move_bins(state, by, 0)
    elif 0 > index >= -state.shift and 2.0 * state.mass[0] > state.total:
        by = max(index - _MIDDLE_BIN, -state.shift)
        index -= by
        _move_bins(state, by, index)
    return min(max(index, 0), _TOP)


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
def _move_bins(state: Row, by: int, lowest_to: int) -> None:
    """Move the bins up (down where ``by`` is negative); what was in the lowest one goes to ``lowest_to``."""
    mass = np.zeros(BINS, np.float32)
    mass[lowest_to] = state.mass[0]
    for index in range(1, BINS):
        mass[min(max(index - by, 0), _TOP)] += state.mass[index]
    for index in range(BINS):
        state.mass[index] = mass[index]
    state.shift += by
    state.threshold = _TOP
    _sum_bins(state)
