"""Panes: what is kept of the records of one series in one slide of event time.

A pane's number is ``time // slide``. A series has a ring of ``r`` panes; pane ``p`` lives in position
``p % r``. A position is overwritten only when every window over its old pane has closed, which the size of
the ring guarantees (`WindowPlan.panes`), so a pane of another number in a position is simply empty.

Windows are put together from panes: a window with number ``w`` covers the panes ``w - size/slide + 1`` to
``w`` and ends where pane ``w`` ends.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.record import Int64Column

#: Which pane stands in a position of the ring, and its records; every value field has the same count.
PANE: Final = np.dtype([("number", "i8"), ("count", "i8")], align=True)
#: Mean, sum of squared deviations from it, and extremes of one field in one pane.
MOMENTS: Final = np.dtype([("mean", "f8"), ("squares", "f8"), ("low", "f8"), ("high", "f8")], align=True)

NO_PANE: Final = -(2**63)  # number of a position that never held a pane
NEVER: Final = 2**63 - 1  # due window of a series without records in open windows
BLOCK: Final = 64  # series that share one entry of `PaneStore.block_due`


class PaneStore(NamedTuple):
    """The panes of all series of a stream, as compiled code sees them.

    Parameters
    ----------
    panes
        ``(slots, r)`` of `PANE`.
    moments
        ``(slots, r, d)`` of `MOMENTS`.
    due
        ``(slots,)`` number of the first window of each series that is open and not empty, or NEVER.
    block_due
        ``(slots / BLOCK,)`` the lowest ``due`` of each block: what is due is found without asking each series.
    """

    panes: NDArray[Any]
    moments: NDArray[Any]
    due: Int64Column
    block_due: Int64Column


class Summary(NamedTuple):
    """Number of records, mean, sum of squared deviations and extremes of one field in one window."""

    records: int
    mean: float
    squares: float
    low: float
    high: float


def pane_bytes(fields: int) -> int:
    """Size of one pane of one series with that many value fields [bytes]."""
    return PANE.itemsize + fields * MOMENTS.itemsize


@compiled
def count_in(pane: Row, number: int) -> None:
    """Count a record of pane ``number`` in the position where that pane lives."""
    if pane.number != number:
        pane.number = number
        pane.count = 0
    pane.count += 1


@compiled
def learn(moments: Row, count: int, x: float) -> None:
    """Add the ``count``-th value to a pane, after West (1979), "Updating mean and variance estimates"."""
    if count == 1:
        moments.mean = moments.low = moments.high = x
        moments.squares = 0.0
        return
    deviation = x - moments.mean
    moments.mean += deviation / count
    moments.squares += deviation * (x - moments.mean)
    moments.low = min(moments.low, x)
    moments.high = max(moments.high, x)


@compiled
def summary(store: PaneStore, slot: int, field: int, first: int, last: int) -> Summary:
    """Merge the panes ``first`` to ``last`` of a series, in ascending order: the order is part of the result.

    The merge is that of Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances", eq. 2.1.
    """
    ring = store.panes.shape[1]
    records, mean, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for number in range(first, last + 1):
        pane = store.panes[slot, number % ring]
        if pane.number != number:
            continue
        part = store.moments[slot, number % ring, field]
        total = records + pane.count
        deviation = part.mean - mean
        weight = pane.count / total  # exactly 1 for the first pane, which is so taken over unchanged
        squares += part.squares + deviation * (deviation * (records * weight))
        mean += deviation * weight
        low, high = min(low, part.low), max(high, part.high)
        records = total
    return Summary(records, mean, squares, low, high)


@compiled
def following_window(store: PaneStore, slot: int, window: int, span: int) -> int:
    """Return the first non-empty window of a series after ``window``, or NEVER."""
    lowest = NEVER
    for position in range(store.panes.shape[1]):
        number = store.panes[slot, position].number
        if number > window + 1 - span:
            lowest = min(lowest, number)
    return lowest if lowest == NEVER else max(lowest, window + 1)


@compiled
def schedule(store: PaneStore, slot: int, window: int) -> None:
    """See to it that ``window`` of a series is closed when its time comes."""
    if window < store.due[slot]:
        store.due[slot] = window
        block = slot // BLOCK
        store.block_due[block] = min(store.block_due[block], window)


@compiled
def first_due(store: PaneStore) -> int:
    """Return the first window of any series that is open and not empty, or NEVER; O(slots / BLOCK)."""
    lowest = NEVER
    for window in store.block_due:
        lowest = min(lowest, window)
    return lowest


@compiled
def forget(store: PaneStore) -> None:
    """Empty all panes; costs O(slots), once in the life of a stream at most."""
    for slot in range(len(store.due)):
        if store.due[slot] != NEVER:
            store.due[slot] = NEVER
            for position in range(store.panes.shape[1]):
                store.panes[slot, position].number = NO_PANE
    store.block_due[:] = NEVER
