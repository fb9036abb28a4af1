"""Recent values against long-term ones, as distributions."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan

from pynomaly.domain.detectors.histogram_pair import bin_of, learn, pair_layout
from pynomaly.domain.detectors.moments import share_of
from pynomaly.domain.detectors.seam import Detector, Layout
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
    return pair_layout(options.short_half_life, options.long_half_life, options.bins, options.warm_up)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return KL(short || long) [nats], x counted in both; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    own = bin_of(state, params, x)
    short, long = share_of(params.short_rate, state.count + 1), share_of(params.long_rate, state.count + 1)
    divergence = 0.0
    for index in range(len(state.long)):
        recent = (1.0 - short) * state.short[index] + (short if index == own else 0.0)
        if recent > 0.0:
            usual = (1.0 - long) * state.long[index] + (long if index == own else 0.0)
            divergence += recent * log(recent / (usual + _LEAST_SHARE))
    return max(divergence, 0.0)


RELATIVE_ENTROPY = Detector("relative_entropy", RelativeEntropyOptions, _layout, score, learn)
