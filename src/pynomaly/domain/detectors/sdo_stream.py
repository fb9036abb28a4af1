"""Sparse data observers: distance to a few records that stand for where most records lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, scale_fields, standardised
from pynomaly.domain.detectors.forward_decay import add_weight, decay_fields, growth
from pynomaly.domain.detectors.nearest import nearest, squared_distances
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.detectors.seeded_draw import draw
from pynomaly.domain.error import Problem
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_IDLE = np.float32(3e38)  # farther than any record


@dataclass(frozen=True)
class SdoStreamOptions(Options):
    """Median distance to the nearest observers, which are records kept because many others come close to them.

    Catches records far from every crowd, crowds of any shape, a burst of outliers included: few of them are made
    observers, and those that nobody comes close to do not count. Fails on anomalies within a crowd, on sparse regions
    beside a dense one (all are measured by one distance), and on anomalies in few of many fields. Cost O(observers *
    d) a record; 4 * observers * (d + 3) bytes a series and a little.

    Hartl, Iglesias and Zseby (ESANN 2020), "SDOstream: low-density models for streaming outlier detection". A record
    is observed by its ``neighbours`` nearest observers; observations P and the age H of an observer fade
    exponentially. It becomes an observer with probability k^2 / (neighbours * T) times the share of all observations
    that its nearest observers hold, in place of the one with the least P / H; the ``idle_ratio`` of the observers with
    the lowest P / H is left out of the score. Deviations:

    * Fields are standardised by exponentially weighted mean and deviation when a record comes; observers keep what
      they were then.
    * T is the half-life divided by ln 2, and the time constant of the scaling as well. Who is idle is settled again
      once every ``observers`` records, not at each.
    * The first records become observers until there are enough.
    """

    observers: int = option(100, "records that stand for all", low=4, high=10_000)
    neighbours: int = option(6, "nearest observers of a record", low=1, high=100)
    idle_ratio: float = option(0.3, "share of the observers that do not count in the score", low=0.0, high=0.9)
    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e6)
    warm_up: int = option(250, "records of a series before its first score", low=2, high=1_000_000)
    seed: int = option(0, "seed of the choice of observers", low=0, high=1_000_000_000)

    def _conflicts(self) -> Iterator[Problem]:
        """There must be enough active observers for the neighbours."""
        active = self.observers - int(self.idle_ratio * self.observers)
        if active < self.neighbours:
            yield Problem("neighbours", f"must be at most the active observers, {active}, was {self.neighbours}")


def _layout(options: SdoStreamOptions, fields: int) -> Layout:
    many = (options.observers,)
    state = zeros(
        [
            *scale_fields(fields),
            *decay_fields(),
            ("kept", "i4"),  # observers so far
            ("place", "f4", (fields, options.observers)),
            ("observed", "f4", many),  # weight of the records that it was nearest to
            ("before", "f4", many),  # weight of all records before it
            ("idle", "i4", many),
        ]
    )
    state["sd"], state["weight"] = UNIT_SD, 1.0
    expected = options.observers * rate(options.half_life)
    params = row(
        rate=rate(options.half_life),
        growth=growth(options.half_life),
        warm_up=options.warm_up,
        neighbours=options.neighbours,
        idle=int(options.idle_ratio * options.observers),
        chance=expected * options.observers / options.neighbours,
        seed=options.seed,
    )
    return Layout(state, params)


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return the median distance to the nearest active observers [standard deviations]; NaN until warm."""
    if state.count < params.warm_up or state.kept < params.neighbours:
        return nan
    squares = squared_distances(state.place, state.kept, standardised(state, x))
    for one in range(state.kept):
        if state.idle[one]:
            squares[one] = _IDLE
    close = nearest(squares, params.neighbours)
    upper, lower = close[params.neighbours // 2], close[(params.neighbours - 1) // 2]
    return 0.5 * (sqrt(squares[lower]) + sqrt(squares[upper]))


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Let the nearest observers take note of x, and make it one now and then."""
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    lighter = add_weight(state, params.growth)
    if lighter < 1.0:
        _lighten(state, np.float32(lighter))
    z = standardised(state, x)
    share = _observe(state, z, params.neighbours) if state.kept >= params.neighbours else 1.0
    if state.kept < len(state.observed):
        state.kept += 1
        _install(state, state.kept - 1, z)
    elif draw(params.seed, state.count) < params.chance * share:
        _install(state, _least_observed(state), z)
    if state.count % len(state.observed) == 0:
        _settle_idle(state, params.idle)


@compiled
def _lighten(state: Row, lighter: np.float32) -> None:
    for one in range(len(state.observed)):
        state.observed[one] *= lighter
        state.before[one] *= lighter


@compiled
def _observe(state: Row, z: NDArray[np.float64], neighbours: int) -> float:
    """Count z at its nearest observers, and return the share that they have of all observations."""
    share = 0.0
    for one in nearest(squared_distances(state.place, state.kept, z), neighbours):
        share += state.observed[one]
        state.observed[one] += np.float32(state.weight)
    everything = 0.0
    for one in range(state.kept):
        everything += state.observed[one]
    return share / everything


@compiled
def _install(state: Row, one: int, z: NDArray[np.float64]) -> None:
    for axis in range(len(z)):
        state.place[axis, one] = z[axis]
    state.observed[one] = state.weight
    state.before[one] = state.total - np.float32(state.weight)
    state.idle[one] = 0


@compiled
def _observed_share(state: Row, one: int) -> float:
    """Return the share of the records since an observer began that it was nearest to (P / H in the paper)."""
    return state.observed[one] / max(state.total - state.before[one], np.float32(state.weight))


@compiled
def _least_observed(state: Row) -> int:
    least = 0
    for one in range(1, len(state.observed)):
        if _observed_share(state, one) < _observed_share(state, least):
            least = one
    return least


@compiled
def _settle_idle(state: Row, idle: int) -> None:
    """Leave the least observed ones out until the next time; of equal ones the earlier are left out."""
    shares = np.empty(len(state.observed))
    for one in range(len(shares)):
        shares[one] = _observed_share(state, one)
        state.idle[one] = 0
    for one in np.argsort(shares, kind="mergesort")[:idle]:
        state.idle[one] = 1


SDO_STREAM = Detector("sdo_stream", SdoStreamOptions, _layout, score, learn, takes_vector=True)
