"""Error of a one-step forecast from the values just before."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.magnitude import FLAT, bounded, deviations
from pynomaly.domain.detectors.moments import moved_mean_square, moved_moments, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_FIRST_COVARIANCE = 10.0  # the weights' prior: as much against a weight of 1 as a tenth of a record
_MOST_COVARIANCE = 1e6  # of any one weight; beyond, forgetting has left nothing that holds it
_FARTHEST = 10.0  # standard deviations from the mean that are forecast, or learned at once
_FARTHEST_ERROR = 100.0  # standard deviations that the weights learn of at once


@dataclass(frozen=True)
class ArResidualOptions(Options):
    """Error of an autoregressive forecast in root mean squares of such errors.

    Catches breaks of the dynamics: a value that does not follow from those before it, an oscillation that slips or
    changes its pace, a smooth curve with a kink, whether or not the value is ordinary in itself. Fails on changes that
    build up slowly (each step is forecast from the last), on series without memory, where it is a z-score, right after
    a spike, which the next forecasts are made from, and across gaps between records, of which it does not know. Cost
    O(order^2), 8 * order * (order + 3) + 32 bytes a series.

    The weights of the last ``order`` values, taken from an exponentially weighted mean, are learned by recursive least
    squares with exponential forgetting (Haykin, "Adaptive Filter Theory", 4th edition, 2002, chapter 9). Deviations:
    an error is learned up to ``clip`` root mean squares, so that a spike does not bend the weights; the covariance
    starts anew, the weights staying, when forgetting has blown it up (covariance resetting: Goodwin and Sin, "Adaptive
    Filtering, Prediction and Control", 1984, section 3.3); values count, and forecasts lie, within 10 standard
    deviations of the mean.
    """

    order: int = option(16, "values before that a forecast is made from", low=1, high=64)
    half_life: float = option(1400.0, "records after which weights and mean have forgotten half", low=32.0, high=1e9)
    error_half_life: float = option(300.0, "records after which an error counts half", low=1.0, high=1e9)
    clip: float = option(4.0, "root mean squares up to which an error is learned", low=1.0, high=100.0)
    warm_up: int = option(100, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: ArResidualOptions, _fields: int) -> Layout:
    state = zeros(state_fields(options))
    begin(state)
    return Layout(state, row(**numbers(options)))


def state_fields(options: ArResidualOptions) -> list[tuple[Any, ...]]:
    """Return what a state needs, for detectors that forecast as this one does; it must `begin`."""
    order = (options.order,)
    return [
        ("mean", "f8"),
        ("variance", "f8"),
        ("count", "i8"),
        ("error_mean_square", "f8"),
        ("recent", "f8", order),  # newest first, as learned
        ("weight", "f8", order),
        ("gain", "f8", order),  # covariance times the latest regressors
        ("covariance", "f8", order * 2),
    ]


def begin(state: NDArray[np.void]) -> None:
    """Give a ``(1,)`` state its weights' prior."""
    state["covariance"] = _FIRST_COVARIANCE * np.eye(state["covariance"].shape[-1])


def numbers(options: ArResidualOptions) -> dict[str, float]:
    """Return what compiled code reads of the options."""
    return {
        "rate": rate(options.half_life),
        "error_rate": rate(options.error_half_life),
        "clip": float(options.clip),
        "warm_up": options.warm_up,
    }


@compiled
def _forecast(state: Row) -> float:
    """Return the next value by the weights, or the nearest one that they may forecast."""
    deviation = 0.0
    for age in range(len(state.recent)):
        deviation += state.weight[age] * (state.recent[age] - state.mean)
    farthest = _FARTHEST * sqrt(state.variance)
    return float(state.mean + min(max(deviation, -farthest), farthest))


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return |x - forecast| / root mean square of the errors before, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    return deviations(abs(bounded(x) - _forecast(state)), sqrt(state.error_mean_square), state.mean)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Learn the error of the forecast, and put x before the values to forecast from."""
    x, count = bounded(x), state.count
    error = winsorised(x - _forecast(state), state.error_mean_square, count - 1, state.mean, params.clip)
    sd = sqrt(state.variance)
    if count > len(state.recent) and sd > FLAT * abs(state.mean):
        error_sds = min(max(error / sd, -_FARTHEST_ERROR), _FARTHEST_ERROR)
        _learn_weights(state, 1.0 - params.rate, error_sds, sd)
    if count > 0:
        state.error_mean_square = moved_mean_square(state.error_mean_square, share_of(params.error_rate, count), error)
    for age in range(len(state.recent) - 1, 0, -1):
        state.recent[age] = state.recent[age - 1]
    deviation = winsorised(x - state.mean, state.variance, count, state.mean, _FARTHEST)
    state.recent[0] = state.mean + deviation
    state.count += 1
    share = share_of(params.rate, state.count)
    state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)


@compiled
def _learn_weights(state: Row, kept: float, error: float, sd: float) -> None:
    """Move the weights by the gain times the error, and shrink the covariance by what the regressors told.

    Columns are added up side by side, not one inner product after another: their sums do not wait for each other.
    """
    order, per_sd = len(state.recent), 1.0 / sd
    for weight in range(order):
        state.gain[weight] = 0.0
    for age in range(order):
        y = (state.recent[age] - state.mean) * per_sd
        for weight in range(order):
            state.gain[weight] += state.covariance[age, weight] * y
    power = kept
    for age in range(order):
        power += state.gain[age] * (state.recent[age] - state.mean) * per_sd
    told, grown = 1.0 / power, 1.0 / kept
    for age in range(order):
        state.weight[age] += state.gain[age] * (error * told)
        for weight in range(order):
            shrink = state.gain[age] * state.gain[weight] * told
            state.covariance[age, weight] = (state.covariance[age, weight] - shrink) * grown
    _renew_covariance(state, power >= kept)


@compiled
def _renew_covariance(state: Row, sound: bool) -> None:  # noqa: FBT001
    """Let the covariance start anew if rounding has made it indefinite, or forgetting too large."""
    order = len(state.recent)
    for weight in range(order):
        sound &= 0.0 <= state.covariance[weight, weight] <= _MOST_COVARIANCE
    if not sound:
        state.covariance[:, :] = 0.0
        for weight in range(order):
            state.covariance[weight, weight] = _FIRST_COVARIANCE


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the forecast."""
    return _forecast(state) if state.count >= params.warm_up else nan


AR_RESIDUAL = Detector("ar_residual", ArResidualOptions, _layout, score, learn, expect)
