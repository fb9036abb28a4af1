"""How alerts compare with labels: which labelled segments they hit, and how many fell elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Alerts against labels.

    Parameters
    ----------
    segments
        Labelled segments.
    hits
        Segments with at least one alert inside.
    alert_rows
        Rows that alerted.
    false_rows
        Rows that alerted outside every segment.
    """

    segments: int
    hits: int
    alert_rows: int
    false_rows: int


def evaluate(segments: Sequence[Span], alert_times_ns: Iterable[int]) -> Evaluation:
    """Compare alerts with labels.

    Parameters
    ----------
    segments
        Half-open spans ``[start, end)`` of event time in ns; they may overlap.
    alert_times_ns
        Event time of each row that alerted, in any order [ns].
    """
    times = np.sort(np.fromiter(alert_times_ns, np.int64))
    inside = np.zeros(len(times), np.bool_)
    hits = 0
    for start, end in segments:
        first, last = np.searchsorted(times, (start, end))
        inside[first:last] = True
        hits += bool(first < last)
    return Evaluation(len(segments), hits, len(times), int(np.count_nonzero(~inside)))
