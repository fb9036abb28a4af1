"""Recent values against long-term ones, by the largest difference of their distribution functions."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from pynomaly.domain.detectors.histogram_pair import bin_of, learn, pair_layout
from pynomaly.domain.detectors.moments import share_of
from pynomaly.domain.detectors.seam import Detector, Layout
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_ROUNDING = 1e-12  # what sums of shares differ by where the distributions do not


@dataclass(frozen=True)
class KolmogorovSmirnovOptions(Options):
    """Kolmogorov-Smirnov distance between the distribution of recent values and the long-term one.

    Catches shifts of the bulk of the values: a level that moves a little and stays, values that keep to one side or
    crowd in the middle. Fails on single spikes, on changes in the tails alone, where `relative_entropy` sees more, and
    while a regular season is longer than the short half-life and slower than the long one. Cost O(bins), 16 * bins +
    24 bytes a series.

    Values are standardised by exponentially weighted mean and deviation (the long half-life) and mapped to
    z / (1 + |z|), which fills equal bins on [-1, 1]; the score is the largest |F_short - F_long| of two exponentially
    weighted histograms, the record itself counted, within [0, 1] (two-sample statistic: Smirnov, Annals of
    Mathematical Statistics 1948, "Table for estimating the goodness of fit of empirical distributions"). On streams:
    Kifer, Ben-David and Gehrke (VLDB 2004), "Detecting change in data streams", section 3. Deviations: both windows
    are exponential and values are binned, so that state is bounded.
    """

    short_half_life: float = option(24.0, "records after which a recent value counts half", low=1.0, high=1e6)
    long_half_life: float = option(1000.0, "records after which a long-term value counts half", low=1.0, high=1e9)
    bins: int = option(32, "bins of both histograms", low=2, high=64)
    warm_up: int = option(48, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: KolmogorovSmirnovOptions, _fields: int) -> Layout:
    return pair_layout(options.short_half_life, options.long_half_life, options.bins, options.warm_up)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the largest |F_short - F_long|, x counted in both; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    own = bin_of(state, params, x)
    short, long = share_of(params.short_rate, state.count + 1), share_of(params.long_rate, state.count + 1)
    difference = largest = 0.0
    for index in range(len(state.long)):
        difference += (1.0 - short) * state.short[index] - (1.0 - long) * state.long[index]
        if index == own:
            difference += short - long
        largest = max(largest, abs(difference))
    return largest if largest > _ROUNDING else 0.0


KOLMOGOROV_SMIRNOV = Detector("kolmogorov_smirnov", KolmogorovSmirnovOptions, _layout, score, learn)
