"""Randomised subspace hashing: how many records of late fell into the same cells of random grids."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log, log2, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, scale_fields, squashed, standardised
from pynomaly.domain.detectors.forward_decay import add_weight, decay_fields, growth, lighten
from pynomaly.domain.detectors.seam import Detector, Layout, rate, zeros
from pynomaly.domain.detectors.seeded_draw import subsets, uniforms
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: multiplicative hashing (Knuth, volume 3, section 6.4)
_LEAST_SAMPLE = 4.0  # smaller ones leave no choice of a width


@dataclass(frozen=True)
class RsHashOptions(Options):
    """Mean rarity of a record's cell in random grids, each over a few fields.

    Catches rare values and rare combinations of a few fields among many, also where the other fields are noise. Fails
    on anomalies that show only in many fields together, on differences finer than a cell, and on long bursts, which
    it learns: use the learning guard. Cost O(grids * log(half-life)) a record at most; 4 * grids * cells + 24 * d + 24
    bytes a series.

    Sathe and Aggarwal (ICDM 2016), "Subspace outlier detection in linear time with randomized hashing", sections III
    (width, number of fields and shift of a grid, and the score log2(1 + count) meaned over the grids) and IV (decayed
    counts of a stream). Deviations:

    * What is reported is log2((1 + all) / (1 + count)), so that larger is rarer; the order is the same.
    * The paper's s, the size of a sample, is the sum of the exponential weights.
    * One hash function a grid instead of the least of several: a collision makes a record look less rare in one grid
      of many, and grids are better use of the memory.
    * The paper wants values in [0, 1]: fields are standardised by exponentially weighted mean and deviation and mapped
      to 1/2 + z / (2 (1 + |z|)).
    """

    grids: int = option(50, "number of random grids", low=1, high=1_000)
    cells: int = option(128, "counters of a grid", low=2, high=65_536)
    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e6)
    warm_up: int = option(250, "records of a series before its first score", low=2, high=1_000_000)
    seed: int = option(0, "seed of the grids", low=0, high=1_000_000_000)


def _layout(options: RsHashOptions, fields: int) -> Layout:
    state = zeros([*scale_fields(fields), *decay_fields(), ("mass", "f4", (options.grids, options.cells))])
    state["sd"], state["weight"] = UNIT_SD, 1.0
    per_field = (options.grids, fields)
    params = zeros(
        [
            ("rate", "f8"),
            ("growth", "f8"),
            ("warm_up", "i8"),
            ("fields", "i8", (options.grids,)),  # how many of the axes a grid uses
            ("width", "f8", (options.grids,)),
            ("axis", "i8", per_field),
            ("shift", "f8", per_field),
        ]
    )
    params["rate"], params["growth"] = rate(options.half_life), growth(options.half_life)
    params["warm_up"] = options.warm_up
    drawn = uniforms(options.seed, options.grids, 2 + 2 * fields)
    params["width"], params["fields"] = _grids(drawn[:, 0], drawn[:, 1], options.half_life, fields)
    params["axis"] = subsets(drawn[:, 2 : 2 + fields], fields)
    params["shift"] = drawn[:, 2 + fields :] * params["width"].T
    return Layout(state, params)


def _grids(
    wide: NDArray[np.float64], many: NDArray[np.float64], half_life: float, fields: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return width and number of fields of each grid (steps 1 and 2 of the paper's section III)."""
    sample = max(1.0 / rate(half_life), _LEAST_SAMPLE)
    width = 1.0 / sqrt(sample) + wide * (1.0 - 2.0 / sqrt(sample))
    most = log(sample) / np.log(np.maximum(2.0, 1.0 / width))
    least = 1.0 + 0.5 * most
    used = np.floor(least + many * (most - least + 1.0)).astype(np.int64)
    return width, np.clip(used, 1, fields)


@compiled
def _cell(params: Row, grid: int, y: NDArray[np.float32], cells: int) -> int:
    """Return the counter of y's cell in a grid."""
    code = np.uint64(0)
    for index in range(params.fields[grid]):
        unit = 0.5 + 0.5 * y[params.axis[grid, index]]
        place = floor((unit + params.shift[grid, index]) / params.width[grid])
        code = (code + np.uint64(place) + np.uint64(1)) * _ODD
        code ^= code >> np.uint64(32)
    return int(code % np.uint64(cells))


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return the mean rarity of x's cells [bits]; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    y = squashed(standardised(state, x))
    grids, cells = state.mass.shape
    rarity = 0.0
    for grid in range(grids):
        mass = state.mass[grid, _cell(params, grid, y, cells)]
        rarity += log2((state.total + state.weight) / (mass + state.weight))
    return rarity / grids


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Count x in its cell of every grid."""
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    lighter = add_weight(state, params.growth)
    if lighter < 1.0:
        lighten(state.mass, np.float32(lighter))
    y = squashed(standardised(state, x))
    grids, cells = state.mass.shape
    for grid in range(grids):
        state.mass[grid, _cell(params, grid, y, cells)] += np.float32(state.weight)


RS_HASH = Detector("rs_hash", RsHashOptions, _layout, score, learn, takes_vector=True)
