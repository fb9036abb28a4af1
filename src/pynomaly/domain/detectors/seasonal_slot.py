"""Profile of a season: what is ordinary at this time of day."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from pynomaly.domain.detectors.magnitude import bounded, deviations, learnable
from pynomaly.domain.detectors.moments import moved_mean_square, moved_moments, share_of
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.detectors.season import season_params, slot_at
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class SeasonalSlotOptions(Options):
    """Distance from what the same slot of the season used to show, in that slot's standard deviations.

    The season (a day by default) is cut into slots of equal length; each keeps an exponentially weighted mean and
    variance of the values that fell into it. Catches values that are ordinary in the series but not at this time of
    day. Fails on shifts of the clock (daylight saving moves the profile by an hour for some half-lives), where the
    season is another one than the options say, and says nothing of a slot's first visits. A series whose event
    times are all 0 has no clock: every score is NaN. A profile of weeks needs weeks before it says anything. Cost O(1),
    24 bytes for each slot and 16 more a series.

    A slot's variance counts at least as a share of the mean squared residual over all slots, so that a slot which
    happened to be quiet does not raise alarms. Slots begin at 1970-01-01T00:00:00 UTC plus the offset; a season of
    a week (604,800 s) thus begins on a Thursday.
    """

    slots: int = option(24, "parts of equal length that the season is cut into", low=1, high=10_080)
    period_s: float = option(86_400.0, "length of the season [s]", low=1e-3, high=1e9)
    half_life: float = option(20.0, "visits of a slot after which a value counts half", low=1.0, high=1e9)
    floor: float = option(0.05, "least variance of a slot [ratio of the mean squared residual]", low=0.0, high=1.0)
    residual_half_life: float = option(500.0, "records after which a residual counts half", low=1.0, high=1e9)
    warm_up: int = option(3, "visits of a slot before its first score", low=2, high=1_000_000)
    utc_offset_s: float = option(0.0, "what to add to UTC before cutting [s]", low=-1e9, high=1e9)


def _layout(options: SeasonalSlotOptions, _fields: int) -> Layout:
    slot = np.dtype([("mean", "f8"), ("variance", "f8"), ("count", "i8")], align=True)
    fields = [("slot", slot, (options.slots,)), ("residual_variance", "f8"), ("residual_count", "i8")]
    params = row(
        **season_params(options.period_s, options.slots, options.utc_offset_s),
        rate=rate(options.half_life),
        floor=float(options.floor),
        residual_rate=rate(options.residual_half_life),
        warm_up=options.warm_up,
    )
    return Layout(zeros(fields), params)


@compiled
def _slot(state: Row, params: Row, time_ns: int) -> Row:
    return state.slot[slot_at(time_ns, params.period_ns, params.slot_ns, params.offset_ns)]


@compiled
def _sd(state: Row, params: Row, slot: Row) -> float:
    return sqrt(max(slot.variance, params.floor * state.residual_variance))


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:
    """Return |x - mean| / sd of the slot's visits before; NaN until the slot is warm, or without a clock."""
    slot = _slot(state, params, time_ns)
    if time_ns == 0 or slot.count < params.warm_up:
        return nan
    return deviations(abs(bounded(x) - slot.mean), _sd(state, params, slot), slot.mean)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:
    """Move the slot towards x, and the mean squared residual towards its square."""
    if time_ns == 0:
        return
    slot = _slot(state, params, time_ns)
    deviation = bounded(x) - slot.mean
    if slot.count >= params.warm_up:
        deviation = learnable(deviation, _sd(state, params, slot), slot.mean)
    if slot.count > 0:
        _learn_residual(state, params, deviation)
    slot.count += 1
    share = share_of(params.rate, slot.count)
    slot.mean, slot.variance = moved_moments(slot.mean, slot.variance, share, deviation)


@compiled
def _learn_residual(state: Row, params: Row, deviation: float) -> None:
    state.residual_count += 1
    share = share_of(params.residual_rate, state.residual_count)
    state.residual_variance = moved_mean_square(state.residual_variance, share, deviation)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the slot's mean."""
    slot = _slot(state, params, time_ns)
    return nan if time_ns == 0 or slot.count < params.warm_up else slot.mean


SEASONAL_SLOT = Detector("seasonal_slot", SeasonalSlotOptions, _layout, score, learn, expect)
