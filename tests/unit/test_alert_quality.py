"""Alerts against labels: ranges, delay, false alerts."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from pynomaly.application.quality.alerting import AlertTally, Delay, alert_tally
from pynomaly.application.quality.period import pattern_length
from pynomaly.application.quality.range_score import RangeTally, range_tally
from pynomaly.application.quality.segment import Flags, Window, apart, behind, covered, runs

_HOUR_NS = 3_600_000_000_000


def _flags(rows: int, *flagged: int) -> Flags:
    flags = np.zeros(rows, np.bool_)
    flags[list(flagged)] = True
    return flags


def test_runs_windows_and_rows() -> None:
    """Flags to stretches and back; overlap joins, contact does not."""
    assert runs(_flags(6, 0, 1, 4, 5)) == [(0, 1), (4, 5)]
    assert runs(np.zeros(0, np.bool_)) == []
    assert covered([(0, 1), (4, 9)], 6).tolist() == [True, True, False, False, True, True]
    assert apart([(5, 9), (0, 3), (3, 4)]) == ((0, 4), (5, 9))
    assert behind([(0, 3), (5, 9), (12, 14)], 7) == ((0, 2), (5, 7))


@pytest.mark.parametrize(
    ("labelled", "predicted", "alpha", "recall", "precision"),
    [
        ([(10, 19)], [(12, 12)], 1.0, 1.0, 1.0),
        ([(10, 19)], [(12, 12)], 0.0, 0.1, 1.0),
        ([(10, 19)], [(12, 13), (18, 25)], 0.0, 0.2, 0.625),  # 4 of 10 rows by two ranges; 2 of 2 and 2 of 8
        ([(10, 19)], [(12, 13), (18, 25)], 0.5, 0.6, 0.625),
        ([(10, 13), (16, 19)], [(10, 19)], 1.0, 1.0, 0.4),  # 8 of 10 rows, but of two windows
        ([(10, 19), (40, 49)], [(5, 6), (12, 12)], 1.0, 0.5, 0.5),
    ],
)
def test_ranges(labelled: list[Window], predicted: list[Window], alpha: float, recall: float, precision: float) -> None:
    """Existence by its weight, overlap divided by the ranges that share it."""
    found = range_tally(labelled, predicted, alpha)
    assert (found.recall, found.precision) == (pytest.approx(recall), pytest.approx(precision))
    assert found.f1 == pytest.approx(2 * recall * precision / (recall + precision))


def test_nothing_predicted_and_nothing_labelled() -> None:
    """Silence has an F1 of 0; without labels there is none."""
    silent = range_tally([(1, 2)], [])
    assert (silent.recall, silent.f1) == (0.0, 0.0)
    assert isnan(silent.precision)
    assert isnan(range_tally([], [(1, 2)]).f1)
    assert range_tally([(5, 6)], [(1, 2)]).f1 == 0.0


def test_delay_and_false_alerts() -> None:
    """The first alert of a window counts, the later ones neither as found nor as false; a missed one has no delay."""
    time_ns = np.arange(49) * _HOUR_NS
    found = alert_tally(_flags(49, 2, 12, 15, 40), [(10, 19), (25, 30), (38, 48)], time_ns)
    assert found == AlertTally(
        ranges=RangeTally(labelled=3, predicted=4, found=2.0, right=3.0),
        records=49,
        alerts=4,
        false_alerts=1,
        delays=(2.0, 2.0),
        delays_in_s=(7_200.0, 7_200.0),
        series_days=2.0,
    )
    assert found.false_alerts_per_day == 0.5
    assert found.false_alerts_per_10k == pytest.approx(10_000 / 49)


def test_tallies_of_many_series_add_up() -> None:
    """Sums, with the delays of all."""
    one = alert_tally(_flags(25, 5), [(1, 9)], np.arange(25) * _HOUR_NS)
    other = alert_tally(_flags(25, 24), [(1, 9)], np.arange(25) * _HOUR_NS)
    both = one + other
    assert (both.found, both.ranges.labelled, both.false_alerts, both.series_days) == (1, 2, 1, 2.0)
    assert both.delay == Delay(4.0, 4.0)
    assert both.delay_s.p90 == 4 * 3600


def test_without_a_clock_there_are_no_days() -> None:
    """Delays are in records only."""
    found = alert_tally(_flags(25, 5, 20), [(1, 9)], None)
    assert isnan(found.false_alerts_per_day)
    assert isnan(found.delay_s.median)
    assert found.delay.median == 4.0


@pytest.mark.parametrize(("period", "expected"), [(24, 24), (96, 96), (7, 7)])
def test_the_pattern_of_a_wave_is_its_period(period: int, expected: int) -> None:
    """The first peak of the autocorrelation, which with one divisor for all lags is the highest."""
    assert pattern_length(np.sin(np.arange(4_000) * 2 * np.pi / period)) == expected


@pytest.mark.parametrize("values", [np.full(500, 3.0), np.arange(500.0), np.zeros(0), np.ones(3)])
def test_without_a_peak_the_pattern_is_125(values: np.ndarray) -> None:
    """Constant, steadily rising, empty, or far too short."""
    assert pattern_length(values) == 125
