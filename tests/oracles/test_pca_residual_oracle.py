"""T2 and Q against candid incremental components in the words of the paper."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores
from pynomaly.domain.detectors.pca_residual import PCA_RESIDUAL, PcaResidualOptions


def _index(components: list[NDArray[np.float64]], mean_q: float, z: NDArray[np.float64]) -> float:
    t2, left = 0.0, z
    for v in components:
        variance = float(np.linalg.norm(v))
        along = float(left @ v) / variance
        t2, left = t2 + along**2 / max(variance, 1e-3), left - along * v / variance
    return t2 / len(components) + float(left @ left) / max(mean_q, 1e-3 * len(z))


def _plain_scores(values: NDArray[np.float64], options: PcaResidualOptions) -> list[float]:
    fields = values.shape[1]
    scales, given, mean_q = Scales(fields, options.half_life, options.warm_up), [], 0.0
    components = list(np.eye(min(options.rank, fields), fields))
    for n, row in enumerate(values):
        z = scales.z(row)
        given.append(_index(components, mean_q, z) if n >= options.warm_up else nan)
        share = scales.share(first=2)
        scales.learn(row)
        left = np.clip(scales.z(row), -10, 10)
        for i, v in enumerate(components):
            moved = (1 - share) * v + share * left * (left @ v) / np.linalg.norm(v)
            components[i] = moved
            left = left - (left @ moved) * moved / (moved @ moved)
        mean_q = (1 - share) * mean_q + share * float(left @ left)
    return given


@pytest.mark.parametrize(
    "options",
    [
        PcaResidualOptions(rank=1, half_life=100.0, warm_up=30),
        PcaResidualOptions(rank=2, half_life=1e9, warm_up=2),
        PcaResidualOptions(rank=9, half_life=5.0),
    ],
    ids=["one component", "long memory", "no residual"],
)
def test_equals_the_papers(options: PcaResidualOptions) -> None:
    """Scores follow from the components of Weng, Zhang and Hwang and the index of Yue and Qin."""
    np.testing.assert_allclose(scores(PCA_RESIDUAL, options, rows()), _plain_scores(rows(), options), rtol=1e-7)
