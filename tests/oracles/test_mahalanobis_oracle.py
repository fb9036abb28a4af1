"""Mahalanobis distance against a covariance matrix that is inverted for every record."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores
from pynomaly.domain.detectors.mahalanobis import MAHALANOBIS, MahalanobisOptions


def _plain_scores(values: NDArray[np.float64], options: MahalanobisOptions) -> list[float]:
    fields = values.shape[1]
    scales, covariance, given = Scales(fields, options.half_life, options.warm_up), np.eye(fields), []
    for n, row in enumerate(values):
        z = scales.z(row)
        given.append(sqrt(z @ np.linalg.solve(covariance, z)) if n >= options.warm_up else nan)
        share = scales.share(first=fields + 1)
        scales.learn(row)
        z = np.clip(scales.z(row), -10, 10)
        covariance = (1 - share) * covariance + share * np.outer(z, z)
        covariance[n % fields, n % fields] += options.ridge * (1 - (1 - share) ** fields)
    return given


@pytest.mark.parametrize(
    "options",
    [
        MahalanobisOptions(half_life=100.0, warm_up=30),
        MahalanobisOptions(ridge=0.5, warm_up=2),
        MahalanobisOptions(half_life=3.0, ridge=1e-4, warm_up=5),
    ],
    ids=["adapting", "ridge", "forgetful"],
)
def test_equals_the_inverse(options: MahalanobisOptions) -> None:
    """Scores are those of the exponentially weighted covariance of standardised fields, ridge included."""
    np.testing.assert_allclose(scores(MAHALANOBIS, options, rows()), _plain_scores(rows(), options), rtol=1e-8)
