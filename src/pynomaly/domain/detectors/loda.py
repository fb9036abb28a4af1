"""Lightweight on-line detector of anomalies: how rare a record is on many random lines."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, scale_fields, standardised
from pynomaly.domain.detectors.forward_decay import add_weight, decay_fields, growth, lighten
from pynomaly.domain.detectors.seam import Detector, Layout, rate, zeros
from pynomaly.domain.detectors.seeded_draw import normals, subsets, uniforms
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_UNSEEN = 0.5  # records that are added to every bin: what was never seen is rare, not impossible
_MANY = 1e250  # the next factor, at most 1e50, does not overflow


@dataclass(frozen=True)
class LodaOptions(Options):
    """Mean surprise of a record on many random lines through its fields.

    Catches records that lie in the tails or gaps of some direction, a single field included, and works with many
    fields, of which each line uses a few. Fails on combinations that only all fields together show, on gaps finer than
    a bin, and on anomalies that come in long bursts, which it learns: use the learning guard. Cost O(lines * sqrt(d))
    a record; 4 * lines * bins + 24 * d + 24 bytes a series.

    Pevny (Machine Learning 2016), "Loda: Lightweight on-line detector of anomalies", section 3: each line has
    ceil(sqrt(d)) weights drawn from the normal distribution, the others are 0 (section 3.1); the score is the mean of
    the negative logarithms of the densities along the lines (equation 2). Deviations:

    * Fields are standardised by exponentially weighted mean and deviation, weights of a line to length 1.
    * A histogram has equal bins of y = p / (1 + |p|) for the place p on the line, so that no range has to be known;
      the density of p is that of y times (1 - |y|)^2. It forgets exponentially instead of by windows.
    * Densities are relative to that of a record at the mean when all records are there: such a one scores 0.
    """

    lines: int = option(100, "number of random lines", low=1, high=1_000)
    bins: int = option(16, "bins of a line's histogram", low=2, high=1_000)
    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e6)
    warm_up: int = option(250, "records of a series before its first score", low=2, high=1_000_000)
    seed: int = option(0, "seed of the lines", low=0, high=1_000_000_000)


def _layout(options: LodaOptions, fields: int) -> Layout:
    state = zeros([*scale_fields(fields), *decay_fields(), ("mass", "f4", (options.lines, options.bins))])
    state["sd"], state["weight"] = UNIT_SD, 1.0
    term = np.dtype([("weight", "f8"), ("axis", "i8")])
    shape = (options.lines, ceil(sqrt(fields)))
    params = zeros([("rate", "f8"), ("growth", "f8"), ("warm_up", "i8"), ("term", term, shape)])
    params["rate"], params["growth"] = rate(options.half_life), growth(options.half_life)
    params["warm_up"] = options.warm_up
    drawn = uniforms(options.seed, options.lines, fields + shape[1])
    weight = normals(drawn[:, fields:])
    params["term"]["weight"] = weight / np.sqrt(np.square(weight).sum(axis=1, keepdims=True))
    params["term"]["axis"] = subsets(drawn[:, :fields], shape[1])
    return Layout(state, params)


@compiled
def _place(params: Row, line: int, z: NDArray[np.float64]) -> float:
    """Return where z falls on a line [standard deviations]."""
    place = 0.0
    for index in range(params.term.shape[1]):
        term = params.term[line, index]
        place += term.weight * z[term.axis]
    return place


@compiled
def _bin(place: float, bins: int) -> int:
    return min(int((place / (1.0 + abs(place)) + 1.0) * 0.5 * bins), bins - 1)


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return the mean negative log density of x along the lines [nats]; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    z = standardised(state, x)
    lines, bins = state.mass.shape
    unseen = _UNSEEN * state.weight
    everything = state.total + unseen
    surprise, rarity = 0.0, 1.0
    for line in range(lines):
        place = _place(params, line, z)
        slope = 1.0 + abs(place)
        rarity *= slope * slope * (everything / (state.mass[line, _bin(place, bins)] + unseen))
        if rarity > _MANY:  # one logarithm for many lines
            surprise, rarity = surprise + log(rarity), 1.0
    return (surprise + log(rarity)) / lines


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Count x in its bin of every line."""
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    lighter = add_weight(state, params.growth)
    if lighter < 1.0:
        lighten(state.mass, np.float32(lighter))
    z = standardised(state, x)
    lines, bins = state.mass.shape
    for line in range(lines):
        state.mass[line, _bin(_place(params, line, z), bins)] += np.float32(state.weight)


LODA = Detector("loda", LodaOptions, _layout, score, learn, takes_vector=True)
