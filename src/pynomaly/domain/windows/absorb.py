"""The compiled loop that takes records into panes and closes windows, record by record.

A window closes at the very record whose time moves the watermark to its end, before that record or any
later one is added anywhere. So what a window holds, and when it closes, does not depend on batches.
"""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.jit import compiled
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column
from pynomaly.domain.windows.pane import (
    BLOCK,
    NEVER,
    NO_PANE,
    PaneStore,
    Summary,
    add,
    first_due,
    following_window,
    forget,
    schedule,
    summary,
)
from pynomaly.domain.windows.watermark import EMPTY, REBASED, REFUSED, Row, advance

#: A `WindowPlan` as compiled code sees it; ``span`` is the number of panes in a window.
PARAMS: Final = np.dtype([("lateness_ns", "i8"), ("max_jump_ns", "i8"), ("slide_ns", "i8"), ("span", "i8")], align=True)
#: Where the kernel stands in a batch: the number of the first open window, the watermark that closes it, and
#: how many windows have closed in this batch.
PROGRESS: Final = np.dtype([("first_open", "i8"), ("boundary_ns", "i8"), ("closed", "i8")], align=True)
#: A closed window without its measures.
CLOSED: Final = np.dtype(
    [("slot", "i8"), ("start_ns", "i8"), ("end_ns", "i8"), ("count", "i8"), ("offset", "i8"), ("refusal", "u1")],
    align=True,
)

_IN_WINDOW = int(Reason.IN_WINDOW)
_TIME_JUMP = int(Reason.TIME_JUMP)
_BEHIND_WATERMARK = int(Reason.BEHIND_WATERMARK)
_NOT_FINITE = int(Reason.NOT_FINITE)


@compiled
def absorb(
    marks: NDArray[Any],
    params: NDArray[Any],
    aggregates: Int64Column,
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
) -> tuple[int, NDArray[Any], Float64Matrix]:
    """Take in a batch (see `Windows.absorb`): write ``reason`` and the state.

    Return how many windows closed, and the buffers that hold them: the given ones, or larger ones.
    """
    mark, plan, progress = marks[0], params[0], np.zeros(1, PROGRESS)[0]
    store = PaneStore(panes, moments, due, block_due)
    _follow(mark, plan, progress)
    for row in range(len(slot)):
        if refusal[row] != 0:
            reason[row] = refusal[row]
            continue
        verdict = advance(mark, plan, time_ns[row])
        if verdict == REFUSED:
            reason[row] = _TIME_JUMP
            continue
        if verdict == REBASED:
            forget(store)
        if verdict == REBASED or mark.front_ns - plan.lateness_ns >= progress.boundary_ns:
            _follow(mark, plan, progress)
            closed, measures = _close(store, plan, aggregates, progress, offset[row], closed, measures)
        reason[row] = _place(store, plan, progress.first_open, slot[row], time_ns[row], values, row)
    return progress.closed, closed, measures


@compiled
def _follow(mark: Row, plan: Row, progress: Row) -> None:
    if mark.stage == EMPTY:
        progress.first_open = progress.boundary_ns = NO_PANE
        return
    progress.first_open = (mark.front_ns - plan.lateness_ns) // plan.slide_ns
    progress.boundary_ns = (progress.first_open + 1) * plan.slide_ns


@compiled
def _place(
    store: PaneStore, plan: Row, first_open: int, slot: int, time_ns: int, values: Float64Matrix, row: int
) -> int:
    number = time_ns // plan.slide_ns
    if number + plan.span <= first_open:
        return _BEHIND_WATERMARK
    if add(store, slot, number, values, row):
        schedule(store, slot, max(number, first_open))
    return _IN_WINDOW


@compiled
def _close(
    store: PaneStore,
    plan: Row,
    aggregates: Int64Column,
    progress: Row,
    offset: int,
    closed: NDArray[Any],
    measures: Float64Matrix,
) -> tuple[NDArray[Any], Float64Matrix]:
    # Close every window before the first open one, by end and then by slot; empty spans cost nothing.
    window = first_due(store)
    while window < progress.first_open:
        for block in range(len(store.block_due)):
            if store.block_due[block] != window:
                continue
            lowest = NEVER
            for slot in range(block * BLOCK, (block + 1) * BLOCK):
                if store.due[slot] == window:
                    row = progress.closed
                    closed, measures = _with_room(closed, measures, row)
                    _write(store, plan, aggregates, slot, window, closed[row], measures[row])
                    closed[row].offset = offset
                    progress.closed += 1
                    store.due[slot] = following_window(store, slot, window, plan.span)
                lowest = min(lowest, store.due[slot])
            store.block_due[block] = lowest
        window = first_due(store)
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
def _write(
    store: PaneStore, plan: Row, aggregates: Int64Column, slot: int, window: int, head: Row, measures: Any
) -> None:
    head.slot = slot
    head.end_ns = (window + 1) * plan.slide_ns
    head.start_ns = head.end_ns - plan.span * plan.slide_ns
    head.refusal = 0
    column = 0
    for field in range(store.moments.shape[2]):
        seen = summary(store, slot, field, window - plan.span + 1, window)
        head.count = seen.records
        for aggregate in aggregates:
            measures[column] = _measure(aggregate, seen)
            if not isfinite(measures[column]):
                head.refusal = _NOT_FINITE
            column += 1
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
