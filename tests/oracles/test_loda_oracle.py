"""LODA against densities summed over all records."""

from __future__ import annotations

from math import ceil, log, log1p, nan, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores, uniform_table
from pynomaly.domain.detectors.loda import LODA, LodaOptions


def _lines(options: LodaOptions, fields: int) -> list[list[float]]:
    """Draw lines of unit length through ceil(sqrt(d)) fields each (Pevny, section 3.1)."""
    used, lines = ceil(sqrt(fields)), []
    for drawn in uniform_table(options.seed, options.lines, fields + used):
        axes = sorted(range(fields), key=lambda axis: drawn[axis])[:used]
        weights = [NormalDist().inv_cdf(value) for value in drawn[fields:]]
        length = sqrt(sum(weight**2 for weight in weights))
        line = [0.0] * fields
        for axis, weight in zip(axes, weights, strict=True):
            line[axis] = weight / length
        lines.append(line)
    return lines


def _plain_scores(values: NDArray[np.float64], options: LodaOptions) -> list[float]:
    lines = _lines(options, values.shape[1])
    scales, seen, given = Scales(values.shape[1], options.half_life, options.warm_up), [[] for _ in lines], []
    for n, row in enumerate(values):
        weight = [0.5 ** ((n - 1 - i) / options.half_life) for i in range(n)]
        surprise = 0.0
        for line, bins in zip(lines, seen, strict=True):
            place = float(np.dot(line, scales.z(row)))
            mass = sum(w for w, other in zip(weight, bins, strict=True) if other == _bin(place, options.bins))
            surprise += 2 * log1p(abs(place)) - log((mass + 0.5) / (sum(weight) + 0.5))
        given.append(surprise / len(lines) if n >= options.warm_up else nan)
        scales.learn(row)
        for line, bins in zip(lines, seen, strict=True):
            bins.append(_bin(float(np.dot(line, scales.z(row))), options.bins))
    return given


def _bin(place: float, bins: int) -> int:
    return min(int((place / (1 + abs(place)) + 1) / 2 * bins), bins - 1)


@pytest.mark.parametrize(
    "options",
    [LodaOptions(lines=5, half_life=100.0, warm_up=40, seed=3), LodaOptions(lines=2, bins=5, half_life=2.0, warm_up=2)],
    ids=["default bins", "forgetful"],
)
def test_equals_the_paper(options: LodaOptions) -> None:
    """Scores follow from the weighted records in each bin; counts are single precision, and lightened meanwhile."""
    np.testing.assert_allclose(scores(LODA, options, rows()), _plain_scores(rows(), options), rtol=1e-5)
