"""Stretches of consecutive rows: labelled windows, and runs of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Window = tuple[int, int]
"""First and last row of a stretch."""

Flags = NDArray[np.bool_]


def runs(flags: Flags) -> list[Window]:
    """Return the stretches of rows that are flagged, in order.

    Examples
    --------
    >>> runs(np.array([True, False, True, True]))
    [(0, 0), (2, 3)]
    """
    edges = np.diff(flags.astype(np.int8), prepend=0, append=0)
    firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(first, end - 1) for first, end in zip(firsts.tolist(), ends.tolist(), strict=True)]


def covered(windows: Iterable[Window], rows: int) -> Flags:
    """Return ``(rows,)`` whether each row lies in a window."""
    flags = np.zeros(rows, np.bool_)
    for first, last in windows:
        flags[first : last + 1] = True
    return flags


def apart(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return windows in order, those that share a row as one."""
    joined: list[Window] = []
    for first, last in sorted(windows):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return tuple(joined)


def behind(windows: Sequence[Window], first_row: int) -> tuple[Window, ...]:
    """Return what of windows lies at a row or behind it, counted from that row."""
    return tuple((max(first, first_row) - first_row, last - first_row) for first, last in windows if last >= first_row)
