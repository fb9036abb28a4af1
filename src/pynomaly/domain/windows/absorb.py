"""The compiled loop that takes records into panes and closes windows, record by record.

A window closes at the very record whose time moves the watermark to its end, before that record or any
later one is added anywhere. So what a window holds, and when it closes, does not depend on batches.

A record that was refused only because its stream holds enough series tells the time like any other: a stream at its
limit goes on, and its windows close.
"""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column
from pynomaly.domain.windows.pane import (
    BLOCK,
    NEVER,
    NO_PANE,
    PaneStore,
    Summary,
    count_in,
    first_due,
    following_window,
    forget,
    learn,
    schedule,
    summary,
)
from pynomaly.domain.windows.watermark import EMPTY, REBASED, REFUSED, advance

#: A `WindowPlan` as compiled code sees it; ``span`` is the number of panes in a window.
PARAMS: Final = np.dtype([("lateness_ns", "i8"), ("max_jump_ns", "i8"), ("slide_ns", "i8"), ("span", "i8")], align=True)
#: Where the loop stands: the number of the first open window, the watermark that closes it, the record that
#: is closing windows, and how many have closed in this batch.
PROGRESS: Final = np.dtype(
    [("first_open", "i8"), ("boundary_ns", "i8"), ("offset", "i8"), ("closed", "i8")], align=True
)
#: A closed window without its measures.
CLOSED: Final = np.dtype(
    [("slot", "i8"), ("start_ns", "i8"), ("end_ns", "i8"), ("count", "i8"), ("offset", "i8"), ("refusal", "u1")],
    align=True,
)


class Batch(NamedTuple):
    """Columns of ``n`` records, as compiled code sees them; ``reason`` is written."""

    offset: Int64Column
    slot: Int64Column
    time_ns: Int64Column
    values: Float64Matrix
    refusal: ByteColumn
    reason: ByteColumn


_SERIES_LIMIT = int(Reason.SERIES_LIMIT)
_IN_WINDOW = int(Reason.IN_WINDOW)
_TIME_JUMP = int(Reason.TIME_JUMP)
_BEHIND_WATERMARK = int(Reason.BEHIND_WATERMARK)
_NOT_FINITE = int(Reason.NOT_FINITE)


@compiled
def absorb(
    marks: NDArray[Any],
    params: NDArray[Any],
    aggregates: Int64Column,
    progress: NDArray[Any],
    panes: NDArray[Any],
    moments: NDArray[Any],
    due: Int64Column,
    block_due: Int64Column,
    offset: Int64Column,
    slot: Int64Column,
    time_ns: Int64Column,
    values: Float64Matrix,
    refusal: ByteColumn,
    reason: ByteColumn,
    closed: NDArray[Any],
    measures: Float64Matrix,
) -> tuple[NDArray[Any], Float64Matrix]:
    """Take in a batch (see `Windows.absorb`): write ``reason``, ``progress`` and the state.

    Return the buffers that hold the closed windows: the given ones, or larger ones.
    """
    store = PaneStore(panes, moments, due, block_due)
    batch = Batch(offset, slot, time_ns, values, refusal, reason)
    return _absorb_rows(store, marks[0], params[0], aggregates, progress[0], batch, closed, measures)


@compiled
def _absorb_rows(
    store: PaneStore,
    mark: Row,
    plan: Row,
    aggregates: Int64Column,
    progress: Row,
    batch: Batch,
    closed: NDArray[Any],
    measures: Float64Matrix,
) -> tuple[NDArray[Any], Float64Matrix]:
    progress.closed = 0
    _follow(mark, plan, progress)
    for row in range(len(batch.slot)):
        batch.reason[row] = batch.refusal[row]
        if batch.refusal[row] != 0 and batch.refusal[row] != _SERIES_LIMIT:
            continue
        verdict = advance(mark, plan.max_jump_ns, batch.time_ns[row])
        if verdict == REFUSED:
            batch.reason[row] = _TIME_JUMP if batch.refusal[row] == 0 else _SERIES_LIMIT
            continue
        if verdict == REBASED:
            forget(store)
        if verdict == REBASED or mark.front_ns - plan.lateness_ns >= progress.boundary_ns:
            _follow(mark, plan, progress)
            progress.offset = batch.offset[row]
            closed, measures = _close(store, plan, aggregates, progress, closed, measures)
        if batch.refusal[row] != 0:
            continue
        slot, number = batch.slot[row], batch.time_ns[row] // plan.slide_ns
        if number + plan.span <= progress.first_open:
            batch.reason[row] = _BEHIND_WATERMARK
            continue
        batch.reason[row] = _IN_WINDOW
        position = number % store.panes.shape[1]
        pane: Row = store.panes[slot, position]
        count_in(pane, number)
        for field in range(batch.values.shape[1]):
            learn(store.moments[slot, position, field], pane.count, batch.values[row, field])
        if pane.count == 1:
            schedule(store, slot, max(number, progress.first_open))
    return closed, measures


@compiled
def _follow(mark: Row, plan: Row, progress: Row) -> None:
    if mark.stage == EMPTY:
        progress.first_open = progress.boundary_ns = NO_PANE
        return
    progress.first_open = (mark.front_ns - plan.lateness_ns) // plan.slide_ns
    progress.boundary_ns = (progress.first_open + 1) * plan.slide_ns


@compiled
def _close(
    store: PaneStore, plan: Row, aggregates: Int64Column, progress: Row, closed: NDArray[Any], measures: Float64Matrix
) -> tuple[NDArray[Any], Float64Matrix]:
    # Close every window before the first open one, by end and then by slot; empty spans cost nothing.
    window = first_due(store)
    while window < progress.first_open:
        for block in range(len(store.block_due)):
            if store.block_due[block] == window:
                closed, measures = _close_block(store, plan, aggregates, progress, block, closed, measures)
        window = first_due(store)
    return closed, measures


@compiled
def _close_block(
    store: PaneStore,
    plan: Row,
    aggregates: Int64Column,
    progress: Row,
    block: int,
    closed: NDArray[Any],
    measures: Float64Matrix,
) -> tuple[NDArray[Any], Float64Matrix]:
    window, next_due = store.block_due[block], NEVER
    for slot in range(block * BLOCK, (block + 1) * BLOCK):
        if store.due[slot] == window:
            row = progress.closed
            closed, measures = _with_room(closed, measures, row)
            _write_head(closed[row], plan, slot, window, progress.offset)
            _write_measures(store, plan, aggregates, closed[row], measures[row])
            store.due[slot] = following_window(store, slot, window, plan.span)
            progress.closed += 1
        next_due = min(next_due, store.due[slot])
    store.block_due[block] = next_due
    return closed, measures


@compiled
def _with_room(closed: NDArray[Any], measures: Float64Matrix, length: int) -> tuple[NDArray[Any], Float64Matrix]:
    if length < len(closed):
        return closed, measures
    wider_closed = np.empty(2 * length, closed.dtype)
    wider_measures = np.empty((2 * length, measures.shape[1]), measures.dtype)
    for row in range(length):  # a slice assignment would take ten seconds to compile
        wider_closed[row] = closed[row]
        for column in range(measures.shape[1]):
            wider_measures[row, column] = measures[row, column]
    return wider_closed, wider_measures


@compiled
def _write_head(head: Row, plan: Row, slot: int, window: int, offset: int) -> None:
    head.slot = slot
    head.end_ns = (window + 1) * plan.slide_ns
    head.start_ns = head.end_ns - plan.span * plan.slide_ns
    head.offset = offset
    head.refusal = 0


@compiled
def _write_measures(store: PaneStore, plan: Row, aggregates: Int64Column, head: Row, measures: Any) -> None:
    last = head.end_ns // plan.slide_ns - 1
    for field in range(store.moments.shape[2]):
        seen = summary(store, head.slot, field, last - plan.span + 1, last)
        head.count = seen.records
        for place in range(len(aggregates)):
            measure = _measure(aggregates[place], seen)
            measures[field * len(aggregates) + place] = measure
            if not isfinite(measure):
                head.refusal = _NOT_FINITE
    if head.refusal != 0:
        measures[:] = nan


@compiled
def _measure(aggregate: int, seen: Summary) -> float:
    # The codes are places in `AGGREGATES`.
    if aggregate == 0:
        return float(seen.records)
    if aggregate == 1:
        return seen.mean
    if aggregate == 2:
        return seen.low
    if aggregate == 3:
        return seen.high
    return sqrt(seen.squares / seen.records)
