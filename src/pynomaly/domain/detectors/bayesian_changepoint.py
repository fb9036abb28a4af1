"""Bayesian online changepoint detection."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, gamma, inf, log, log1p, nan, pi, sqrt

import numpy as np

from pynomaly.domain.detectors.magnitude import FLAT, bounded
from pynomaly.domain.detectors.moments import moved_moments, share_of, winsorised
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

# Normal-gamma prior of a run, in standard deviations of the series: a level within some three of the mean, a variance
# of half the usual one, each known as little as still has a mean.
_KAPPA, _ALPHA, _BETA = 0.1, 1.0, 0.5
_NORMALISER = gamma(_ALPHA + 0.5) / gamma(_ALPHA)
_FARTHEST = 20.0  # standard deviations that a record counts at most
_OUTLIER = 1e-3  # probability that a record says nothing of its run, and lies anywhere that counts
_LEAST_VARIANCE = 1e-6  # of a prediction, in the variance of the series
_NO_VARIANCE = 1e-280  # below, products with it would be 0
_LEAST_PROBABILITY = 1e-12  # that a run or a score tells from 0


@dataclass(frozen=True)
class BayesianChangepointOptions(Options):
    """Bayesian online changepoint detection: evidence that the regime of some records ago has ended.

    Catches lasting changes of level or spread, a clear one within ten records. Fails
    on series that wander, where a change is always going on, on changes slower than a few dozen records, and by intent
    on single spikes. Cost O(runs), 40 bytes for each run and 24 more a series.

    The posterior of the run length (records since the last change) is that of Adams and MacKay (arXiv:0710.3742, 2007,
    section 2) with a constant hazard of 1 / ``expected_run`` and normal records of unknown mean and variance
    (normal-gamma prior, section 2.3). The score is -log P(run length > ``recent``) in nats, the record included.
    Deviations: a record belongs to the run that begins with it (Fearnhead and Liu, Journal of the Royal Statistical
    Society B 2007, "On-line inference for multiple changepoint problems", section 2), so that a change shows at once;
    of more than ``runs`` run lengths the least probable is forgotten, and any of probability below 1e-12; a run's
    evidence counts for ``memory`` records at most, older ones exponentially less; records are cut at 20 exponentially
    weighted standard deviations from the mean, and one in a thousand may be an outlier of no run. The prior follows
    that mean and deviation.
    """

    expected_run: float = option(500.0, "records between two changes, on average", low=2.0, high=1e9)
    recent: int = option(30, "records within which a change is news", low=1, high=1_000)
    runs: int = option(16, "run lengths that are kept apart", low=2, high=256)
    memory: float = option(500.0, "records that the mean and variance of a run are learned from", low=10.0, high=1e9)
    half_life: float = option(2000.0, "records after which one counts half in the prior", low=1.0, high=1e9)
    warm_up: int = option(100, "records of a series before its first score", low=10, high=1_000_000)


def _layout(options: BayesianChangepointOptions, _fields: int) -> Layout:
    run = np.dtype(
        [
            ("probability", "f8"),
            ("length", "i8"),
            ("mean", "f8"),
            ("beta", "f8"),
            ("normaliser", "f8"),  # gamma(alpha + 1/2) / gamma(alpha)
        ],
        align=True,
    )
    state = zeros([("mean", "f8"), ("variance", "f8"), ("count", "i8"), ("run", run, (options.runs,))])
    params = row(
        hazard=1.0 / options.expected_run,
        recent=options.recent,
        memory=float(options.memory),
        rate=rate(options.half_life),
        warm_up=options.warm_up,
    )
    return Layout(state, params)


@compiled
def _has_scale(state: Row) -> bool:
    return bool(state.variance > _NO_VARIANCE and sqrt(state.variance) > FLAT * abs(state.mean))


@compiled
def _counted(state: Row, x: float) -> float:
    """Return x, or the nearest value that counts."""
    farthest = _FARTHEST * sqrt(state.variance)
    return float(min(max(bounded(x), state.mean - farthest), state.mean + farthest))


@compiled
def _density(state: Row, distance: float, kappa: float, alpha: float, beta: float, normaliser: float) -> float:
    """Return the density of a record so far from the mean of its run: Student's t, or an outlier."""
    variance = max(beta * (kappa + 1.0) / (alpha * kappa), _LEAST_VARIANCE * state.variance)
    scale = 2.0 * alpha * variance
    t = normaliser / sqrt(pi * scale) * exp(-(alpha + 0.5) * log1p(distance * distance / scale))
    return (1.0 - _OUTLIER) * t + _OUTLIER / (2.0 * _FARTHEST * sqrt(state.variance))


@compiled
def _continued(state: Row, params: Row, run: Row, x: float) -> float:
    """Return the joint probability (density) of x and of the run going on with it."""
    seen = min(float(run.length), params.memory)
    density = _density(state, x - run.mean, _KAPPA + seen, _ALPHA + 0.5 * seen, run.beta, run.normaliser)
    return float(run.probability * (1.0 - params.hazard) * density)


@compiled
def _begun(state: Row, params: Row, x: float) -> float:
    """Return the joint probability (density) of x and of a run that begins with it."""
    density = _density(state, x - state.mean, _KAPPA, _ALPHA, _BETA * state.variance, _NORMALISER)
    return float(params.hazard * density)


@compiled
def score(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return -log P(run length > recent) [nats], x included; 0 without a scale, NaN until warm."""
    if state.count < params.warm_up:
        return nan
    if not _has_scale(state):
        return 0.0
    x = _counted(state, x)
    old, all_ = 0.0, _begun(state, params, x)
    for index in range(len(state.run)):
        run = state.run[index]
        if run.probability > 0.0:
            continued = _continued(state, params, run, x)
            all_ += continued
            if run.length >= params.recent:
                old += continued
    return log(1.0 / min(max(old / all_, _LEAST_PROBABILITY), 1.0))


@compiled
def learn(state: Row, params: Row, x: float, time_ns: int) -> None:  # noqa: ARG001
    """Let every run go on with x, begin one with it, and move mean and variance towards it."""
    if _has_scale(state):
        _learn_runs(state, params, _counted(state, x))
    deviation = winsorised(bounded(x) - state.mean, state.variance, state.count, state.mean, _FARTHEST)
    state.count += 1
    share = share_of(params.rate, state.count)
    state.mean, state.variance = moved_moments(state.mean, state.variance, share, deviation)


@compiled
def _learn_runs(state: Row, params: Row, x: float) -> None:
    begun = _begun(state, params, x)
    all_, place, least = begun, 0, inf
    for index in range(len(state.run)):
        run = state.run[index]
        if run.probability > 0.0:
            run.probability = _continued(state, params, run, x)
            all_ += run.probability
            _learn_record(run, params.memory, x)
        if run.probability < least:
            place, least = index, run.probability
    _begin(state, state.run[place], begun, x)
    for index in range(len(state.run)):
        run = state.run[index]
        run.probability /= all_ - least
        if run.probability < _LEAST_PROBABILITY:
            run.probability = 0.0


@compiled
def _learn_record(run: Row, memory: float, x: float) -> None:
    """Take x into the posterior of a run; with a full memory, forget as much as one record is worth."""
    seen = min(float(run.length), memory)
    kappa, alpha, deviation = _KAPPA + seen, _ALPHA + 0.5 * seen, x - run.mean
    run.mean += deviation / (kappa + 1.0)
    run.beta += 0.5 * kappa / (kappa + 1.0) * deviation * deviation
    run.length += 1
    if seen < memory:
        run.normaliser = alpha / run.normaliser
    else:
        run.beta *= alpha / (alpha + 0.5)


@compiled
def _begin(state: Row, run: Row, probability: float, x: float) -> None:
    run.probability = probability
    run.length = 0
    run.mean = state.mean
    run.beta = _BETA * state.variance
    run.normaliser = _NORMALISER
    _learn_record(run, 1.0, x)


@compiled
def expect(state: Row, params: Row, x: float, time_ns: int) -> float:  # noqa: ARG001
    """Return the mean of the most probable run, or of the series while it has none."""
    if state.count < params.warm_up:
        return nan
    mean, probability = state.mean, 0.0
    for index in range(len(state.run)):
        run = state.run[index]
        if run.probability > probability:
            mean, probability = run.mean, run.probability
    return float(mean)


BAYESIAN_CHANGEPOINT = Detector("bayesian_changepoint", BayesianChangepointOptions, _layout, score, learn, expect)
