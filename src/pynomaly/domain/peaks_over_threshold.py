"""SPOT and DSPOT: scores to severities by the peaks of the scores over a threshold that is fixed at the warm-up.

After Siffer, Fouque, Termier and Largouet, "Anomaly Detection in Streams with Extreme Value Theory" (KDD 2017): the
tail is a generalised Pareto distribution of the excesses; DSPOT sees each score less the mean of those before it.
The threshold is a high quantile of the first scores; every score above it is a peak.

It suits scores that keep their distribution (SPOT) or only change their level slowly (DSPOT). It fails where they
change otherwise, because the threshold stays; the histogram of `pynomaly.domain.calibration` follows.

Deviations from the paper:

* It sees the logarithm of a score. Heavy tails are exponential there, so that moments exist for every tail; and a score
  of 1e300 overflows nothing.
* The fit is by moments (Hosking and Wallis 1987, "Parameter and quantile estimation for the generalized Pareto
  distribution", section 2.1), not by Grimshaw's trick: it needs two sums, not a search for roots at every peak, and
  where the shape is below 1/2, which the logarithm sees to, it is nearly as efficient. A prior worth three peaks, as in
  the histogram, keeps the first peaks from exploding.
* The last 256 peaks are kept, not all.
* Anomalies are learned as well, unless there is a gate: without them the tail would be cut off, and the rate of false
  alerts above its nominal one.
* A score below the threshold has severity 0: of these nothing is fitted.
"""

from __future__ import annotations

from math import ceil, inf, log10, nan
from typing import Any, Final

from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.layout import Layout, row, zeros

PEAKS: Final = 256
_FIRST_PEAKS: Final = 10  # least peaks of the warm-up
_PRIOR_PEAKS = 3.0
_PRIOR_EXCESS = 0.08  # mean of the prior, which is exponential
_LOWEST_SHAPE = -0.5  # tails end at twice the scale at the soonest
_HIGHEST_SHAPE = 0.45
_LEAST_BASE = 1e-8  # severities are finite beyond the end of a tail that has one
_LOG10_E = 0.4342944819032518


def spot_layout(options: CalibrationOptions) -> Layout:
    """Return the memory of SPOT: 2,088 bytes a series."""
    return _layout(options, [])


def dspot_layout(options: CalibrationOptions) -> Layout:
    """Return the memory of DSPOT: that of SPOT, 16 bytes and 8 for each score of the mean."""
    ring: list[tuple[Any, ...]] = [("level_sum", "f8"), ("levels", "i8"), ("level", "f8", (options.drift_window,))]
    return _layout(options, ring)


def _layout(options: CalibrationOptions, more: list[tuple[Any, ...]]) -> Layout:
    share = 1.0 - options.quantile
    first = min(max(options.warm_up, ceil(_FIRST_PEAKS / share)), int((PEAKS - 1) / share))
    state = zeros(
        [
            ("count", "i8"),  # scores learned
            ("peaks", "i8"),  # of these above the threshold
            ("threshold", "f8"),
            ("sum", "f8"),  # of the excesses that are kept
            ("squares", "f8"),
            *more,
            ("excess", "f8", (PEAKS,)),  # the last peaks; in the warm-up the highest scores, descending
        ]
    )
    params = row(
        first=first,
        first_peaks=ceil(share * first - 1e-9),
        window=options.drift_window,
        gate=inf if options.gate is None else options.gate,
    )
    return Layout(state, params)


@compiled
def spot_severity(state: Row, params: Row, position: float) -> float:
    """Return -log10 P(S >= score), 0 below the threshold; NaN while unknown."""
    if state.count < params.first or position != position:  # noqa: PLR0124 - NaN, in compiled code
        return nan
    excess = position - state.threshold
    if excess <= 0.0:
        return 0.0
    kept = min(state.peaks, PEAKS)
    weight = kept + _PRIOR_PEAKS
    mean = (state.sum + _PRIOR_PEAKS * _PRIOR_EXCESS) / weight
    variance = (state.squares + _PRIOR_PEAKS * 2.0 * _PRIOR_EXCESS**2) / weight - mean * mean
    ratio = mean * mean / variance
    shape = min(max(0.5 * (1.0 - ratio), _LOWEST_SHAPE), _HIGHEST_SHAPE)
    scale = mean * (1.0 - shape)
    return -log10(state.peaks / state.count) + _decades(excess / scale, shape)


@compiled
def learn_peak(state: Row, params: Row, position: float, severity: float) -> None:
    """Count a score and keep it if it is a peak; what is NaN or beyond the gate is not learned."""
    if position != position or severity > params.gate:  # noqa: PLR0124 - NaN, in compiled code
        return
    if state.count < params.first:
        _keep_highest(state, position, params.first_peaks + 1)
        state.count += 1
        if state.count == params.first:
            _begin(state, params.first_peaks)
        return
    state.count += 1
    if position > state.threshold:
        _keep_peak(state, position - state.threshold)


@compiled
def dspot_severity(state: Row, params: Row, position: float) -> float:
    """Return `spot_severity` of a score less the mean of those before it."""
    return spot_severity(state, params, position - _level(state, params))


@compiled
def learn_drifting(state: Row, params: Row, position: float, severity: float) -> None:
    """Learn a score less the mean of those before it, as SPOT does, then let it count in the mean."""
    if position != position or severity > params.gate:  # noqa: PLR0124 - NaN, in compiled code
        return
    if state.levels >= params.window:
        learn_peak(state, params, position - _level(state, params), severity)
    place = state.levels % params.window
    state.level_sum += position - state.level[place]
    state.level[place] = position
    state.levels += 1
    if place == params.window - 1:  # what rounding has added to the sum goes
        state.level_sum = 0.0
        for index in range(params.window):
            state.level_sum += state.level[index]


@compiled
def _level(state: Row, params: Row) -> float:
    return state.level_sum / min(max(state.levels, 1), params.window)


@compiled
def _decades(excess: float, shape: float) -> float:
    """Return -log10 of the tail of a generalised Pareto distribution of scale 1."""
    if abs(shape) < 1e-6:
        return excess * _LOG10_E
    return log10(max(1.0 + shape * excess, _LEAST_BASE)) / shape


@compiled
def _keep_highest(state: Row, position: float, places: int) -> None:
    """Put a score of the warm-up in its place among the highest ones."""
    held = min(state.count, places)
    if held == places and position <= state.excess[places - 1]:
        return
    index = min(held, places - 1)
    while index > 0 and state.excess[index - 1] < position:
        state.excess[index] = state.excess[index - 1]
        index -= 1
    state.excess[index] = position


@compiled
def _begin(state: Row, peaks: int) -> None:
    """End the warm-up: the highest score that is no peak is the threshold."""
    state.threshold = state.excess[peaks]
    for index in range(peaks):
        state.excess[index] -= state.threshold
    state.excess[peaks] = 0.0
    state.peaks = peaks
    _sum_up(state)


@compiled
def _keep_peak(state: Row, excess: float) -> None:
    """Let a peak take the place of the oldest one."""
    place = state.peaks % PEAKS
    before = state.excess[place]
    state.excess[place] = excess
    state.peaks += 1
    state.sum += excess - before
    state.squares += excess * excess - before * before
    if place == PEAKS - 1:  # what rounding has added to the sums goes
        _sum_up(state)


@compiled
def _sum_up(state: Row) -> None:
    state.sum = 0.0
    state.squares = 0.0
    for index in range(min(state.peaks, PEAKS)):
        state.sum += state.excess[index]
        state.squares += state.excess[index] * state.excess[index]
