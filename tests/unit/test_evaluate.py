"""Alerts against labels."""

from __future__ import annotations

import pytest

from pynomaly.application.evaluate import Evaluation, Span, evaluate


@pytest.mark.parametrize(
    ("segments", "alerts", "expected"),
    [
        ([], [], Evaluation(0, 0, 0, 0)),
        ([(10, 20)], [], Evaluation(1, 0, 0, 0)),
        ([(10, 20)], [10], Evaluation(1, 1, 1, 0)),
        ([(10, 20)], [19, 20], Evaluation(1, 1, 2, 1)),
        ([(10, 20)], [9, 25], Evaluation(1, 0, 2, 2)),
        ([(10, 20), (30, 40)], [35, 12, 13, 50], Evaluation(2, 2, 4, 1)),
        ([(10, 30), (20, 40)], [25], Evaluation(2, 2, 1, 0)),
    ],
)
def test_hits_and_false_rows(segments: list[Span], alerts: list[int], expected: Evaluation) -> None:
    """Segments are half-open and may overlap; several alerts in one are one hit."""
    assert evaluate(segments, alerts) == expected
