"""Which alerts of several judges mean the same, and which only one of them raised."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from pynomaly.application.quality.agreement import alert_ranges, lone_ranges, shared_ratio
from pynomaly.application.quality.segment import Window


@pytest.mark.parametrize(
    ("rows", "reach", "expected"),
    [
        ([], 5, []),
        ([7], 0, [(7, 7)]),
        ([1, 2, 9], 0, [(1, 1), (2, 2), (9, 9)]),
        ([1, 6, 12], 5, [(1, 6), (12, 12)]),
    ],
)
def test_alerts_within_reach_are_one_range(rows: list[int], reach: int, expected: list[Window]) -> None:
    """The reach itself still joins; one more row does not."""
    assert alert_ranges(np.array(rows, np.int64), reach) == expected


def test_a_range_is_lone_when_no_other_is_near() -> None:
    """Nearness counts from both ends of the range, and to any of the others."""
    judges = [np.array([10, 14, 50]), np.array([18, 80]), np.array([100])]
    assert lone_ranges(judges, 4) == [[(50, 50)], [(80, 80)], [(100, 100)]]
    assert lone_ranges(judges, 3)[0] == [(10, 10), (14, 14), (50, 50)]
    assert lone_ranges(judges[:1], 4) == [[(10, 14), (50, 50)]]


def test_shared_ratio_counts_rows_of_all_series() -> None:
    """One of three rows in one series, one of one in the other: two of four."""
    one = [np.array([1, 2]), np.array([5])]
    other = [np.array([2, 3]), np.array([5])]
    assert shared_ratio(one, other) == 2 / 4
    assert isnan(shared_ratio([np.array([], np.int64)], [np.array([], np.int64)]))
