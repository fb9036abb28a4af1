"""How often a series is sampled, by the gaps between its first times."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pynomaly.domain.layout import zeros
from pynomaly.domain.sampling_interval import GAPS, INTERVAL_FIELDS, learn_gap

_SECOND_NS = 1_000_000_000
#: Not these fields alone: the compiler would take any row that begins with them for one of these from then on.
_FIELDS = [("before", "i8"), *INTERVAL_FIELDS]


def _interval_s(gaps_s: Iterable[float]) -> float:
    (state,) = zeros(_FIELDS)
    time_ns = 1_700_000_000 * _SECOND_NS
    learn_gap(state, time_ns)
    for gap_s in gaps_s:
        time_ns += int(gap_s * _SECOND_NS)
        learn_gap(state, time_ns)
    return float(state["interval_s"])


@pytest.mark.parametrize(
    ("gaps_s", "expected"),
    [
        ([60.0] * GAPS, 60.0),
        ([60.0] * (GAPS - 1), 0.0),
        ([300.0] * 40 + [5.0] * 24, 300.0),
        ([60.0] * GAPS + [3_600.0] * 1_000, 60.0),
        ([0.0, 60.0] * GAPS, 60.0),
        ([-30.0, 90.0] * GAPS, 90.0),
        ([86_400.0] + [0.5] * (GAPS - 1), 0.5),
    ],
    ids=["even", "too few", "median", "decided once", "repeated times", "disorder", "an outage"],
)
def test_the_median_of_the_first_gaps(gaps_s: list[float], expected: float) -> None:
    """Gaps forward in time count, the first 64 of them, and the middle one is the interval."""
    assert _interval_s(gaps_s) == expected


def test_without_a_clock_there_is_none() -> None:
    """Times that are all 0 are no times."""
    (state,) = zeros(_FIELDS)
    for _ in range(1_000):
        learn_gap(state, 0)
    assert float(state["interval_s"]) == 0.0
