"""Scores to severities: how rare a score is in the series' own past.

One calibrator for every detector, so that a severity means the same everywhere. It keeps an exponentially decayed
histogram of log(score): 256 bins of ratio 1.08 from e^-14 to e^5.7, 1 KB as float32. Below the quantile ``q`` the
tail probability is the empirical mass above the score; above it an exponential tail in log space continues it,
whose mean log excess is Hill's estimator (Hill 1975, "A simple general approach to inference about the tail of a
distribution", eq. 2) with a prior worth three records, so that the first exceedances of a series do not explode.

The mass above the quantile and its log sum are carried along, so a record costs O(1) above the quantile and, below
it, one pass over the bins between the score and the quantile. They are rebuilt from the bins only when the weights
are rescaled, which happens at record counts fixed by the half-life; a restored state goes on with the saved sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log10, nan

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import Layout, Row, row
from pynomaly.domain.jit import compiled
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
_LOG10_E = 0.4342944819032518
_STATE = np.dtype(
    [
        ("total", "f8"),  # weight of all scores
        ("tail", "f8"),  # weight above the threshold bin
        ("tail_log", "f8"),  # the same, times the middle of each bin in log space
        ("weight", "f8"),  # weight of the next score
        ("count", "i8"),  # scores learned
        ("threshold", "i8"),  # highest bin below the tail
        ("mass", "f4", (BINS,)),  # weight by bin
    ],
    align=True,
)
_FIRST_BIN = _STATE.itemsize - 4 * BINS  # offset of the bins in a row


@dataclass(frozen=True)
class CalibrationOptions(Options):
    """How a part's scores become severities."""

    half_life: float = option(10_000.0, "records after which a score counts half", low=100.0, high=1e9)
    quantile: float = option(0.99, "share of the scores below the fitted tail", low=0.5, high=0.9999)
    warm_up: int = option(150, "scores of a series before its first severity", low=1, high=10_000_000)


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
    threshold = (state.threshold + 1) * _LOG_PER_BIN + _LOWEST_LOG
    if position > threshold:
        excess = state.tail_log - state.tail * threshold + state.weight * _PRIOR_RECORDS * _PRIOR_EXCESS
        mean_excess = max(excess / (state.tail + state.weight * _PRIOR_RECORDS), _STEEPEST)
        return params.at_threshold + (position - threshold) / mean_excess * _LOG10_E
    lowest = _bin(position)
    above = state.tail + 0.5 * state.mass[lowest]
    for index in range(lowest + 1, state.threshold + 1):
        above += state.mass[index]
    return -log10(min(max(above / state.total, params.tail_share), 1.0))


@compiled
def learn_score(state: Row, params: Row, position: float) -> None:
    """Add a score to the histogram and move the threshold to the quantile; NaN is not learned."""
    if position != position:  # noqa: PLR0124 - NaN, in compiled code
        return
    index = _bin(position)
    before = state.mass[index]
    state.mass[index] = np.float32(before + state.weight)
    added = float(state.mass[index]) - float(before)  # what float32 kept of the weight
    state.total += added
    if index > state.threshold:
        state.tail += added
        state.tail_log += added * _middle(index)
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
def _bin(position: float) -> int:
    index = int((position - _LOWEST_LOG) * _BINS_PER_LOG)
    return min(max(index, 0), BINS - 1)


@compiled
def _middle(index: int) -> float:
    return (index + 0.5) * _LOG_PER_BIN + _LOWEST_LOG


@compiled
def _move_threshold(state: Row, tail_limit: float) -> None:
    """Keep as many of the highest bins in the tail as weigh no more than the limit together."""
    while state.tail > tail_limit and state.threshold < BINS - 1:
        state.threshold += 1
        state.tail -= state.mass[state.threshold]
        state.tail_log -= state.mass[state.threshold] * _middle(state.threshold)
    while state.threshold >= 0 and state.tail + state.mass[state.threshold] <= tail_limit:
        state.tail += state.mass[state.threshold]
        state.tail_log += state.mass[state.threshold] * _middle(state.threshold)
        state.threshold -= 1


@compiled
def _rescale(state: Row) -> None:
    """Divide all weights by the newest one and rebuild the sums from the bins."""
    state.total = 0.0
    state.tail = 0.0
    state.tail_log = 0.0
    for index in range(BINS):
        state.mass[index] = np.float32(state.mass[index] / state.weight)
        state.total += state.mass[index]
        if index > state.threshold:
            state.tail += state.mass[index]
            state.tail_log += state.mass[index] * _middle(index)
    state.weight = 1.0
