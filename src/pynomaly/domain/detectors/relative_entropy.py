"""Recent values against long-term ones, as distributions."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan, sqrt

from pynomaly.domain.detectors.magnitude import FLAT, bounded, learnable
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_LEAST_SHARE = 1e-3  # added to every long-term share: what was never seen is rare, not impossible


@dataclass(frozen=True)
class RelativeEntropyOptions(Options):
    """Relative entropy of the distribution of recent values against the long-term one.

    Catches changes of the distribution that no single value shows: a level that moves a little and stays, noise that
    grows, fades or becomes bimodal, a season that stops. Fails on single spikes (one record is one of many) and while
    a regular season is longer than the short half-life and slower than the long one. Cost O(bins), 16 * bins + 24
    bytes a series.

    Values are standardised by exponentially weighted mean and deviation (the long half-life) and mapped to
    z / (1 + |z|), which fills equal bins on [-1, 1]; two exponentially weighted histograms, short and long, are
    compared by the Kullback-Leibler divergence KL(short || long) in nats. Relative entropy of a window against
    history is Wang et al. (IM 2011), "Statistical techniques for online anomaly detection in data centers",
    section III; here both windows are exponential, so that state is bounded, and the record itself is counted.
    """

    short_half_life: float = option(24.0, "records after which a recent value counts half", low=1.0, high=1e6)
    long_half_life: float = option(1000.0, "records after which a long-term value counts half", low=1.0, high=1e9)
    bins: int = option(16, "bins of both histograms", low=2, high=64)
    warm_up: int = option(48, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: RelativeEntropyOptions, _fields: int) -> Layout:
    shares = (options.bins,)
    state = zeros(
        [("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("short", "f8", shares), ("long", "f8", shares)]
    )
    params = row(
        short_rate=rate(options.short_half_life), long_rate=rate(options.long_half_life), warm_up=options.warm_up
    )
    return Layout(state, params)


@compiled
def _weight(at_least: float, count: int) -> float:
    """Return the weight of a record that follows ``count`` others: at first they all count the same."""
    return max(at_least, 1.0 / (count + 1))


@compiled
def _deviation(state: Row, x: float) -> float:
    deviation = bounded(x) - state.mean
    return deviation if state.count < 2 else learnable(deviation, sqrt(state.variance), state.mean)


@compiled
def _bin(state: Row, params: Row, x: float) -> int:
    """Return the bin of a value, standardised with itself in mean and variance."""
    deviation, weight = _deviation(state, x), _weight(params.long_rate, state.count)
    sd = sqrt((1.0 - weight) * (state.variance + weight * deviation * deviation))
    left = (1.0 - weight) * deviation
    z = left / sd if sd > FLAT * abs(state.mean) else 0.0
    bins = len(state.long)
    return min(int((z / (1.0 + abs(z)) + 1.0) * 0.5 * bins), bins - 1)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return KL(short || long) [nats], x counted in both; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    own = _bin(state, params, x)
    short, long = _weight(params.short_rate, state.count), _weight(params.long_rate, state.count)
    divergence = 0.0
    for index in range(len(state.long)):
        recent = (1.0 - short) * state.short[index] + (short if index == own else 0.0)
        if recent > 0.0:
            usual = (1.0 - long) * state.long[index] + (long if index == own else 0.0)
            divergence += recent * log(recent / (usual + _LEAST_SHARE))
    return max(divergence, 0.0)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Count x in both histograms and move mean and variance towards it."""
    own = _bin(state, params, x)
    short, long = _weight(params.short_rate, state.count), _weight(params.long_rate, state.count)
    for index in range(len(state.long)):
        state.short[index] *= 1.0 - short
        state.long[index] *= 1.0 - long
    state.short[own] += short
    state.long[own] += long
    deviation = _deviation(state, x)
    state.mean += long * deviation
    state.variance = (1.0 - long) * (state.variance + long * deviation * deviation)
    state.count += 1


RELATIVE_ENTROPY = Detector("relative_entropy", RelativeEntropyOptions, _layout, score, learn)
