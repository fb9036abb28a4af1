"""RS-Hash against grids whose records are all remembered."""

from __future__ import annotations

from math import floor, log, log2, nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores, uniform_table
from pynomaly.domain.detectors.rs_hash import RS_HASH, RsHashOptions

_MASK = 2**64 - 1


class _Grid:
    """One random grid: fields, width, shifts and the counters of all records so far."""

    def __init__(self, drawn: list[float], fields: int, options: RsHashOptions) -> None:
        s = max(1 / (1 - 0.5 ** (1 / options.half_life)), 4)
        self.cells, self.seen = options.cells, list[int]()
        self.width = 1 / sqrt(s) + drawn[0] * (1 - 1 / sqrt(s) - 1 / sqrt(s))
        most = log(s) / log(max(2, 1 / self.width))
        used = floor(1 + most / 2 + drawn[1] * (most - most / 2))
        order = sorted(range(fields), key=lambda axis: drawn[2 + axis])
        self.axes = order[: min(used, fields)]
        self.shifts = [value * self.width for value in drawn[2 + fields :]]

    def counter(self, z: NDArray[np.float64]) -> int:
        code = 0
        for axis, shift in zip(self.axes, self.shifts, strict=False):
            squashed = float(np.float32(z[axis] / (1 + abs(z[axis]))))
            code = (code + floor(((squashed + 1) / 2 + shift) / self.width) + 1) * 0x9E3779B97F4A7C15 & _MASK
            code ^= code >> 32
        return code % self.cells


def _plain_scores(values: NDArray[np.float64], options: RsHashOptions) -> list[float]:
    fields = values.shape[1]
    table = uniform_table(options.seed, options.grids, 2 + 2 * fields)
    grids, scales, given = [_Grid(drawn, fields, options) for drawn in table], None, []
    scales = Scales(fields, options.half_life, options.warm_up)
    for n, row in enumerate(values):
        weight = [0.5 ** ((n - 1 - i) / options.half_life) for i in range(n)]
        rarity = 0.0
        for grid in grids:
            own = grid.counter(scales.z(row))
            count = sum(w for w, other in zip(weight, grid.seen, strict=True) if other == own)
            rarity += log2((1 + sum(weight)) / (1 + count))
        given.append(rarity / len(grids) if n >= options.warm_up else nan)
        scales.learn(row)
        for grid in grids:
            grid.seen.append(grid.counter(scales.z(row)))
    return given


@pytest.mark.parametrize(
    "options",
    [RsHashOptions(grids=6, half_life=200.0, warm_up=30), RsHashOptions(grids=3, cells=5, half_life=2.0, seed=8)],
    ids=["grids", "forgetful and full of collisions"],
)
def test_equals_the_paper(options: RsHashOptions) -> None:
    """Scores follow from the weighted records in each cell; counts are single precision."""
    np.testing.assert_allclose(scores(RS_HASH, options, rows()), _plain_scores(rows(), options), rtol=1e-5, atol=1e-6)
