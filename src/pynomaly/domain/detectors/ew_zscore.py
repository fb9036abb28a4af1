"""Exponentially weighted z-score."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

from pynomaly.domain.detectors.magnitude import bounded, deviations, learnable
from pynomaly.domain.detectors.moments import moved_moments, share_of
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option


@dataclass(frozen=True)
class EwZScoreOptions(Options):
    """Distance from an exponentially weighted mean in exponentially weighted standard deviations.

    Catches spikes, dips and sudden level shifts of a series without strong season. Fails on slow drifts (it
    follows them), on seasonal swings wider than the anomaly, and for some half-lives after a burst, which
    widens the variance. Cost O(1), 24 bytes a series.

    Mean and variance follow West (1979), "Updating mean and variance estimates", with weights that decay
    exponentially; until the half-life is filled they are the plain mean and variance of all records so far.
    Deviations are learned up to 100 standard deviations, so that one corrupt value does not blind it.
    """

    half_life: float = option(200.0, "records after which a record counts half", low=1.0, high=1e9)
    warm_up: int = option(20, "records of a series before its first score", low=2, high=1_000_000)


def _layout(options: EwZScoreOptions, _fields: int) -> Layout:
    return Layout(
        zeros([("mean", "f8"), ("variance", "f8"), ("count", "i8")]),
        row(rate=rate(options.half_life), warm_up=options.warm_up),
    )


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return |x - mean| / sd of the records before, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    return deviations(abs(bounded(x) - state.mean), sqrt(state.variance), state.mean)


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Move mean and variance towards x."""
    deviation = bounded(x) - state.mean
    if state.count >= params.warm_up:
        deviation = learnable(deviation, sqrt(state.variance), state.mean)
    state.count += 1
    share = share_of(params.rate, state.count)
    state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the mean of the records before."""
    return state.mean if state.count >= params.warm_up else nan


EW_ZSCORE = Detector("ew_zscore", EwZScoreOptions, _layout, score, learn, expect)
