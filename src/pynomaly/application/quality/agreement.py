"""Whether several judges of one series alerted of the same: alerts close together are one event."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.segment import Window

Rows = NDArray[np.int64]
"""Ascending rows of a series that alerted."""


def alert_ranges(rows: Rows, reach: int) -> list[Window]:
    """Return the stretches from first to last alert in which no two neighbours are further apart than ``reach`` rows.

    Examples
    --------
    >>> alert_ranges(np.array([3, 5, 20]), 10)
    [(3, 5), (20, 20)]
    """
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) > reach)
    firsts, lasts = rows[np.append(0, breaks + 1)], rows[np.append(breaks, len(rows) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def lone_ranges(judges: Sequence[Rows], reach: int) -> list[list[Window]]:
    """Return of each judge the alert ranges within whose reach no other judge alerted.

    Parameters
    ----------
    judges
        The alerts of each, on the same rows.
    reach
        Rows by which two alerts may be apart and still mean the same, at least 0.
    """
    return [
        [one for one in alert_ranges(rows, reach) if not any(_meets(one, other, reach) for other in _others(judges, n))]
        for n, rows in enumerate(judges)
    ]


def shared_ratio(one: Sequence[Rows], other: Sequence[Rows]) -> float:
    """Return the rows that both alerted at, by those that either did (Jaccard's index); NaN for none.

    Parameters
    ----------
    one, other
        Alerts by series, in the same order of series.
    """
    both = sum(len(np.intersect1d(rows, others)) for rows, others in zip(one, other, strict=True))
    either = sum(len(np.union1d(rows, others)) for rows, others in zip(one, other, strict=True))
    return both / either if either else nan


def _others(judges: Sequence[Rows], number: int) -> Sequence[Rows]:
    return [*judges[:number], *judges[number + 1 :]]


def _meets(one: Window, rows: Rows, reach: int) -> bool:
    first, last = one
    place = int(np.searchsorted(rows, first - reach))
    return place < len(rows) and int(rows[place]) <= last + reach
