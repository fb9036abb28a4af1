"""Cumulative sums of standardised values."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

from pynomaly.domain.detectors.magnitude import bounded, deviations
from pynomaly.domain.detectors.moments import moved_moments, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_FARTHEST_LEARNED = 5.0  # standard deviations; what is learned of a spike hides the next shifts for a long half-life


@dataclass(frozen=True)
class CusumOptions(Options):
    """Two-sided tabular CUSUM: how far values have strayed to one side of the mean, added up.

    Catches lasting shifts of the level that are too small for any single record to show: one of a standard deviation
    within some ten records. Fails on series that wander or swing with a season, whose sums grow every day, and sees
    single spikes as ``clip`` at most. Cost O(1), 40 bytes a series.

    The sums are max(0, sum + z - drift) for z upward and likewise downward (Page, Biometrika 1954, "Continuous
    inspection schemes", section 4; Montgomery, "Introduction to Statistical Quality Control", chapter 9), the score is
    the larger one. Mean and standard deviation are those of the records before, as in the self-starting CUSUM
    (Hawkins, The Statistician 1987, "Self-starting cusum charts for location and scale"). Deviations: they are
    exponentially weighted; z is not mapped from Student's to the normal distribution, which after the warm-up changes
    little; z is cut at ``clip``. After a sum beyond ``limit`` both start again at 0, and the mean is learned as if
    only ``warm_up`` records came before, so that the new level is soon the ordinary one.
    """

    drift: float = option(
        0.5, "standard deviations off the mean that count as none: half the least shift", high=10.0, low=0.0
    )
    limit: float = option(20.0, "sum of standard deviations that ends in a restart", low=1.0, high=1e6)
    half_life: float = option(1000.0, "records after which a record counts half in the mean", low=1.0, high=1e9)
    clip: float = option(4.0, "standard deviations up to which a record counts", low=1.0, high=100.0)
    warm_up: int = option(50, "records of a series before its first score", low=2, high=1_000_000)


def cusum_layout(options: CusumOptions, _fields: int) -> Layout:
    """Return the memory of two sums and the moments that they refer to."""
    state = zeros([("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("above", "f8"), ("below", "f8")])
    params = row(
        drift=float(options.drift),
        limit=float(options.limit),
        rate=rate(options.half_life),
        clip=float(options.clip),
        warm_up=options.warm_up,
    )
    return Layout(state, params)


@compiled
def _sums(state: Row, params: Row, x: float) -> tuple[float, float]:
    """Return both sums with x counted."""
    distance = bounded(x) - state.mean
    size = min(deviations(abs(distance), sqrt(state.variance), state.mean), params.clip)
    z = size if distance >= 0.0 else -size
    return max(0.0, state.above + z - params.drift), max(0.0, state.below - z - params.drift)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the larger sum, x included, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    above, below = _sums(state, params, x)
    return max(above, below)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Count x in the sums, start again after a signal, and move mean and variance towards x."""
    if state.count >= params.warm_up:
        state.above, state.below = _sums(state, params, x)
        if max(state.above, state.below) > params.limit:
            state.above = 0.0
            state.below = 0.0
            state.count = params.warm_up
    deviation = winsorised(bounded(x) - state.mean, state.variance, state.count, state.mean, _FARTHEST_LEARNED)
    state.count += 1
    share = share_of(params.rate, state.count)
    state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the mean of the records before."""
    return float(state.mean) if state.count >= params.warm_up else nan


CUSUM = Detector("cusum", CusumOptions, cusum_layout, score, learn, expect)
