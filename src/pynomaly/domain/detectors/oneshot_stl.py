"""Error of a forecast from an online seasonal-trend decomposition with a trend that may break."""

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

_LEAST_MOVE = 1e-3  # root mean squared errors; smaller moves of the trend cost no less, or their weight had no bound


@dataclass(frozen=True)
class OneShotStlOptions(Options):
    """Error of a forecast from trend and time of day, in root mean squares of such errors; the trend may break.

    Catches spikes, steps and daily peaks that do not come, as `holt_winters` does, and adopts a step within a few
    records where that takes its half-life: the trend is piecewise constant or linear. Fails during the first season,
    on seasons of another length than ``period_s``, on swings faster than a slot, and on ramps, which it follows.
    Without a clock (event times of 0) it has no season. Cost O(iterations), 16 bytes for each slot, 40 for each
    iteration and 24 more a series.

    OneShotSTL (He et al., PVLDB 2023, "OneShotSTL: One-shot seasonal-trend decomposition for online time series
    anomaly detection and forecasting", section 3): least squares of value - trend - season with absolute first and
    second differences of the trend as penalties, by iteratively reweighted least squares, where each iteration keeps
    the system of all records before, eliminated up to the last two trends (exact, as in its section 3.3). A penalty
    of ``smoothness`` s lets the trend step by d errors once some s / d records ask for it. Deviations: a season
    without past is learned from the first records instead of a batch decomposition; slots of event time take the
    place of a fixed number of records, and a slot's pull on its new value is given as a half-life; no search for a
    shifted season; errors are learned up to ``clip`` root mean squares; the score is the error of the forecast instead
    of what is left after the record has moved trend and season.
    """

    smoothness: float = option(10.0, "cost of a move of the trend by one error [squared errors]", low=0.01, high=1e6)
    iterations: int = option(5, "iterations of the reweighted least squares", low=1, high=20)
    slots: int = option(24, "parts of equal length that the season is cut into; 1: no season", low=1, high=10_080)
    period_s: float = option(86_400.0, "length of the season [s]", low=1e-3, high=1e9)
    season_half_life: float = option(20.0, "records of a slot after which one counts half", low=1.0, high=1e9)
    error_half_life: float = option(300.0, "records after which an error counts half", low=1.0, high=1e9)
    clip: float = option(5.0, "root mean squares up to which an error is learned", low=1.0, high=100.0)
    warm_up: int = option(50, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: OneShotStlOptions, _fields: int) -> Layout:
    slot = np.dtype([("effect", "f8"), ("count", "i8")], align=True)
    # Of the last two trends, the older one first, both from the level: their information matrix and vector.
    system = np.dtype([("older", "f8"), ("both", "f8"), ("newer", "f8"), ("right_older", "f8"), ("right_newer", "f8")])
    state = zeros(
        [
            ("level", "f8"),  # the last trend
            ("error_mean_square", "f8"),
            ("count", "i8"),
            ("system", system, (options.iterations,)),
            ("slot", slot, (options.slots,)),
        ]
    )
    params = row(
        smoothness=float(options.smoothness),
        season_rate=rate(options.season_half_life),
        error_rate=rate(options.error_half_life),
        clip=float(options.clip),
        warm_up=options.warm_up,
        **season_params(options.period_s, options.slots),
    )
    return Layout(state, params)


@compiled
def _has_season(state: Row, time_ns: int) -> bool:
    return len(state.slot) > 1 and time_ns != 0


@compiled
def _slot(state: Row, params: Row, time_ns: int) -> Row:
    return state.slot[slot_at(time_ns, params.period_ns, params.slot_ns, params.offset_ns)]


@compiled
def _forecast(state: Row, params: Row, time_ns: int) -> float:
    effect = _slot(state, params, time_ns).effect if _has_season(state, time_ns) else 0.0
    return float(state.level + effect)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:
    """Return |x - forecast| / root mean square of the errors before, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    error = bounded(x) - _forecast(state, params, time_ns)
    return deviations(abs(error), sqrt(state.error_mean_square), state.level)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:
    """Decompose x into trend, season and a rest, all of the trends before with it."""
    count = state.count
    error = bounded(x) - _forecast(state, params, time_ns)
    error = winsorised(error, state.error_mean_square, count - 1, state.level, params.clip)
    share = 0.0
    if _has_season(state, time_ns):
        slot = _slot(state, params, time_ns)
        slot.count += 1
        share = share_of(params.season_rate, slot.count) if count > 0 else 0.0
    move = error if count == 0 else _moved_trend(state, params, error, 1.0 - share)
    if count > 0:
        state.error_mean_square = moved_mean_square(state.error_mean_square, share_of(params.error_rate, count), error)
    if _has_season(state, time_ns):
        _slot(state, params, time_ns).effect += share * (error - move)
    _begin_or_recentre(state, move)
    state.count += 1


@compiled
def _moved_trend(state: Row, params: Row, error: float, weight: float) -> float:
    """Take a record into all systems; return the new trend, from the last one, by the last iteration.

    Each iteration weighs the newest moves by what the one before found: 1 / (2 |move|) makes squares absolute values.
    """
    scale = sqrt(state.error_mean_square)
    step = bend = params.smoothness
    move = 0.0
    for index in range(len(state.system)):
        first, second, move = _eliminate(state.system[index], step, bend, weight, weight * error)
        step = params.smoothness * _reweighted(move - second, scale)
        bend = params.smoothness * _reweighted(move - 2.0 * second + first, scale)
    return move


@compiled
def _reweighted(move: float, scale: float) -> float:
    return 0.5 * scale / max(abs(move), _LEAST_MOVE * scale) if scale > 0.0 else 0.5 / _LEAST_MOVE


@compiled
def _eliminate(
    system: Row, step: float, bend: float, weight: float, weighted_error: float
) -> tuple[float, float, float]:
    """Add the newest trend to a system, eliminate the oldest from it; return the last three trends that solve it."""
    old, old_mid, old_new = system.older + bend, system.both - 2.0 * bend, bend
    mid, mid_new, new = system.newer + step + 4.0 * bend, -step - 2.0 * bend, step + bend + weight
    right_old = system.right_older
    by_mid, by_new = old_mid / old, old_new / old
    system.older = mid - by_mid * old_mid
    system.both = mid_new - by_mid * old_new
    system.newer = new - by_new * old_new
    system.right_older = system.right_newer - by_mid * right_old
    system.right_newer = weighted_error - by_new * right_old
    slope = system.both / system.older
    newest = (system.right_newer - slope * system.right_older) / (system.newer - slope * system.both)
    middle = (system.right_older - system.both * newest) / system.older
    return (right_old - old_mid * middle - old_new * newest) / old, middle, newest


@compiled
def _begin_or_recentre(state: Row, move: float) -> None:
    """Measure the trends from the newest one; the very first stands where its record does."""
    state.level += move
    for index in range(len(state.system)):
        system = state.system[index]
        if state.count == 0:
            system.newer = 1.0
        else:
            system.right_older -= (system.older + system.both) * move
            system.right_newer -= (system.both + system.newer) * move


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the last trend with the season of this time."""
    return _forecast(state, params, time_ns) if state.count >= params.warm_up else nan


ONESHOT_STL = Detector("oneshot_stl", OneShotStlOptions, _layout, score, learn, expect)
