"""Detectors of several fields find what they say they catch, where no field alone is unusual unless told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import scores
from pynomaly.domain.detectors import NATIVE_DETECTORS

_RECORDS, _PLANTED = 1_600, np.arange(1_000, 1_600, 60)


def _broken_correlation() -> NDArray[np.float64]:
    """Return three fields that move together, and then against each other within their usual range."""
    rng = np.random.default_rng(41)
    together = rng.uniform(-2.0, 2.0, _RECORDS)
    together[_PLANTED] = rng.choice([-1.8, 1.8], len(_PLANTED))
    rows = together[:, np.newaxis] * [1.0, 20.0, 3e-3] + rng.normal(0.0, [0.1, 2.0, 3e-4], (_RECORDS, 3))
    rows[_PLANTED, 1] *= -1.0
    return rows


def _gap_between_clusters() -> NDArray[np.float64]:
    """Return two fields, one of them with two clusters, and then records in the gap between these."""
    rng = np.random.default_rng(42)
    rows = rng.normal(size=(_RECORDS, 2))
    rows[:, 1] = rng.choice([-5.0, 5.0], _RECORDS) + 0.5 * rng.normal(size=_RECORDS)
    rows[_PLANTED, 1] = 0.5 * rng.normal(size=len(_PLANTED))
    return rows


def _far_in_one_field() -> NDArray[np.float64]:
    """Return four fields of different units, and then records that lie twenty deviations off in one of them."""
    rows = np.random.default_rng(43).normal([0.0, 1e6, -3.0, 5e-6], [1.0, 1e3, 0.1, 1e-6], (_RECORDS, 4))
    rows[_PLANTED, 1] = 1e6 + 2e4
    return rows


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("mahalanobis", _broken_correlation()),
        ("pca_residual", _broken_correlation()[:, [0, 1, 2, 0]] + [0.0, 0.0, 0.0, 4.0]),
        ("loda", _broken_correlation()),
        ("isolation_forest", _broken_correlation()),
        ("window_knn", _broken_correlation()),
        ("sdo_stream", _broken_correlation()),
        ("window_knn", _gap_between_clusters()),
        ("loda", _far_in_one_field()),
        ("rs_hash", _gap_between_clusters()),
        ("rs_hash", _far_in_one_field()),
    ],
)
def test_planted_records_rank_first(name: str, rows: NDArray[np.float64]) -> None:
    """With default options nearly every planted record scores above nearly every ordinary one."""
    detector = NATIVE_DETECTORS[name]
    given = np.array(scores(detector, detector.options(), rows))
    ordinary = np.ones(_RECORDS, np.bool_)
    ordinary[:1_000] = ordinary[_PLANTED] = False
    wins = given[_PLANTED][:, np.newaxis] > given[ordinary]
    assert wins.mean() > 0.97
