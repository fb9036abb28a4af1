"""Two exponentially weighted histograms of standardised values, one of the recent past and one of the long run.

Values are standardised by exponentially weighted mean and deviation (the long half-life) and mapped to z / (1 + |z|),
which fills equal bins on [-1, 1].
"""

from __future__ import annotations

from math import sqrt

from pynomaly.domain.detectors.magnitude import FLAT, bounded, learnable
from pynomaly.domain.detectors.moments import moved_moments, share_of
from pynomaly.domain.detectors.seam import Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled


def pair_layout(short_half_life: float, long_half_life: float, bins: int, warm_up: int) -> Layout:
    """Return the memory of two histograms and of the moments that standardise: 16 * bins + 24 bytes a series."""
    shares = (bins,)
    state = zeros(
        [("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("short", "f8", shares), ("long", "f8", shares)]
    )
    return Layout(state, row(short_rate=rate(short_half_life), long_rate=rate(long_half_life), warm_up=warm_up))


@compiled
def _deviation(state: Row, x: float) -> float:
    deviation = bounded(x) - state.mean
    return deviation if state.count < 2 else learnable(deviation, sqrt(state.variance), state.mean)


@compiled
def bin_of(state: Row, params: Row, x: float) -> int:
    """Return the bin of a value, standardised with itself in mean and variance."""
    deviation, weight = _deviation(state, x), share_of(params.long_rate, state.count + 1)
    sd = sqrt((1.0 - weight) * (state.variance + weight * deviation * deviation))
    left = (1.0 - weight) * deviation
    z = left / sd if sd > FLAT * abs(state.mean) else 0.0
    bins = len(state.long)
    return min(int((z / (1.0 + abs(z)) + 1.0) * 0.5 * bins), bins - 1)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Count x in both histograms and move mean and variance towards it."""
    own = bin_of(state, params, x)
    short, long = share_of(params.short_rate, state.count + 1), share_of(params.long_rate, state.count + 1)
    for index in range(len(state.long)):
        state.short[index] *= 1.0 - short
        state.long[index] *= 1.0 - long
    state.short[own] += short
    state.long[own] += long
    state.mean, state.variance = moved_moments(state.mean, state.variance, long, _deviation(state, x))
    state.count += 1
