"""How often values have been far from the mean of late."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

from pynomaly.domain.detectors.magnitude import bounded, clipped, deviations
from pynomaly.domain.detectors.moments import moved_moments, share_of
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_FARTHEST_LEARNED = 10.0  # standard deviations; what is learned of a spike hides the next ones for a long half-life


@dataclass(frozen=True)
class ExceedanceRateOptions(Options):
    """Share of the recent values that lie far from the mean.

    Catches spells of restlessness: many moderate outliers close together, each of which is ordinary alone. Fails on a
    single spike, and on a level that moves and stays for longer than the long half-life. Cost O(1), 32 bytes a series.

    A value is far when it is more than ``sds`` exponentially weighted standard deviations from the exponentially
    weighted mean of the values before (the long half-life); the score is the exponentially weighted share of such
    values (the short one), the record itself included. Counting exceedances of a limit instead of their size is the
    rate that runs rules of control charts watch; Champ and Woodall (Technometrics 1987), "Exact results for Shewhart
    control charts with supplementary runs rules", section 2, have it with fixed windows.
    """

    sds: float = option(2.0, "standard deviations from which a value is far", low=0.1, high=100.0)
    short_half_life: float = option(72.0, "records after which an exceedance counts half", low=1.0, high=1e6)
    long_half_life: float = option(1000.0, "records after which a value counts half", low=1.0, high=1e9)
    warm_up: int = option(20, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: ExceedanceRateOptions, _fields: int) -> Layout:
    state = zeros([("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("share", "f8")])
    params = row(
        sds=float(options.sds),
        short_rate=rate(options.short_half_life),
        long_rate=rate(options.long_half_life),
        warm_up=options.warm_up,
    )
    return Layout(state, params)


@compiled
def _share(state: Row, params: Row, x: float) -> float:
    """Return the share with x counted."""
    z = deviations(abs(bounded(x) - state.mean), sqrt(state.variance), state.mean)
    return state.share + params.short_rate * ((1.0 if z > params.sds else 0.0) - state.share)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the share of recent values that are far from the mean, x included; NaN until warm."""
    return _share(state, params, x) if state.count >= params.warm_up else nan


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Count x if it is far, and move mean and variance towards it."""
    deviation = bounded(x) - state.mean
    if state.count >= params.warm_up:
        state.share = _share(state, params, x)
        deviation = clipped(deviation, sqrt(state.variance), state.mean, _FARTHEST_LEARNED)
    state.count += 1
    share = share_of(params.long_rate, state.count)
    state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)


EXCEEDANCE_RATE = Detector("exceedance_rate", ExceedanceRateOptions, _layout, score, learn)
