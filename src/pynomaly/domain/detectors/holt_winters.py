"""Error of a forecast from level, trend and season."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from pynomaly.domain.detectors.magnitude import bounded, deviations
from pynomaly.domain.detectors.moments import moved_mean_square, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.detectors.season import season_params, slot_at
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_TRENDLESS = 5  # first records, whose differences from the level are no trend


@dataclass(frozen=True)
class HoltWintersOptions(Options):
    """Error of a Holt-Winters forecast (level, damped trend, time of day) in root mean squares of such errors.

    Catches values that do not fit the level and trend of late at this time of day: spikes, steps, a daily peak that
    does not come. Fails during the first season, on seasons of another length than ``period_s``, on swings faster than
    a slot, and on level shifts after their first records, which the level follows. Without a clock (event times of 0)
    it has no season. Cost O(1), 16 bytes for each slot and 32 more a series.

    Additive Holt-Winters smoothing in its error-correction form with a damped trend (Gardner, International Journal of
    Forecasting 2006, "Exponential smoothing: the state of the art, part II", tables 1 and 2). An error is learned up
    to ``clip`` root mean squares of errors, as in Gelper, Fried and Croux (Journal of Forecasting 2010, "Robust
    forecasting with exponential and Holt-Winters smoothing", section 3), with the plain Huber function for the scale
    too. Deviations: slots of event time take the place of a fixed number of records, so that a missing record shifts
    nothing; smoothing constants are given as half-lives; level and slots begin as plain means.
    """

    level_half_life: float = option(100.0, "records after which the level has forgotten half", low=1.0, high=1e9)
    trend_half_life: float = option(1000.0, "records after which the trend has forgotten half", low=1.0, high=1e9)
    damping: float = option(0.98, "share of the trend that goes on with each record", low=0.0, high=1.0)
    slots: int = option(24, "parts of equal length that the season is cut into; 1: no season", low=1, high=10_080)
    period_s: float = option(86_400.0, "length of the season [s]", low=1e-3, high=1e9)
    season_half_life: float = option(100.0, "records of a slot after which one counts half", low=1.0, high=1e9)
    error_half_life: float = option(300.0, "records after which an error counts half", low=1.0, high=1e9)
    clip: float = option(3.0, "root mean squares up to which an error is learned", low=1.0, high=100.0)
    warm_up: int = option(50, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: HoltWintersOptions, _fields: int) -> Layout:
    slot = np.dtype([("effect", "f8"), ("count", "i8")], align=True)
    fields = [("level", "f8"), ("trend", "f8"), ("error_mean_square", "f8"), ("count", "i8")]
    params = row(
        level_rate=rate(options.level_half_life),
        trend_rate=rate(options.trend_half_life),
        damping=float(options.damping),
        season_rate=rate(options.season_half_life),
        error_rate=rate(options.error_half_life),
        clip=float(options.clip),
        warm_up=options.warm_up,
        **season_params(options.period_s, options.slots),
    )
    return Layout(zeros([*fields, ("slot", slot, (options.slots,))]), params)


@compiled
def _has_season(state: Row, time_ns: int) -> bool:
    return len(state.slot) > 1 and time_ns != 0


@compiled
def _slot(state: Row, params: Row, time_ns: int) -> Row:
    return state.slot[slot_at(time_ns, params.period_ns, params.slot_ns, params.offset_ns)]


@compiled
def _forecast(state: Row, params: Row, time_ns: int) -> float:
    effect = _slot(state, params, time_ns).effect if _has_season(state, time_ns) else 0.0
    return float(state.level + params.damping * state.trend + effect)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:
    """Return |x - forecast| / root mean square of the errors before, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    error = bounded(x) - _forecast(state, params, time_ns)
    return deviations(abs(error), sqrt(state.error_mean_square), state.level)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:
    """Correct level, trend and slot by the error of the forecast."""
    count = state.count
    error = bounded(x) - _forecast(state, params, time_ns)
    error = winsorised(error, state.error_mean_square, count - 1, state.level, params.clip)
    if count > 0:
        state.error_mean_square = moved_mean_square(state.error_mean_square, share_of(params.error_rate, count), error)
    share = share_of(params.level_rate, count + 1)
    state.trend *= params.damping
    state.level += state.trend + share * error
    if count >= _TRENDLESS:
        state.trend += share * params.trend_rate * error
    if _has_season(state, time_ns):
        _learn_effect(_slot(state, params, time_ns), params, (1.0 - share) * error)
    state.count += 1


@compiled
def _learn_effect(slot: Row, params: Row, error: float) -> None:
    slot.count += 1
    slot.effect += share_of(params.season_rate, slot.count) * error


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the forecast."""
    return _forecast(state, params, time_ns) if state.count >= params.warm_up else nan


HOLT_WINTERS = Detector("holt_winters", HoltWintersOptions, _layout, score, learn, expect)
