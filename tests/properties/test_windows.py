"""What holds of windows on any stream, however disordered."""

from __future__ import annotations

from dataclasses import astuple
from itertools import pairwise
from typing import Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cached_kernels import new_windows
from pynomaly.domain.outcome import Reason
from pynomaly.domain.state import pack, unpack
from pynomaly.domain.windows import AGGREGATES, Absorbed, Aggregate, ClosedWindows, WindowPlan, Windows

_SERIES: Final = 5
_FIELDS: Final = 2
_MAX_JUMP_NS: Final = 300
_LAST_NS: Final = 100_000

Record = tuple[int, int, float, bool]  # slot, time, value, whether it was refused before


@st.composite
def _plans(draw: st.DrawFn) -> WindowPlan:
    slide_ns = draw(st.integers(1, 20))
    chosen = st.lists(st.sampled_from(AGGREGATES), min_size=1, unique=True)
    aggregates: tuple[Aggregate, ...] = tuple(draw(chosen))
    return WindowPlan(slide_ns * draw(st.integers(1, 6)), slide_ns, aggregates, draw(st.integers(0, 60)), _MAX_JUMP_NS)


_VALUES = st.floats(-1e6, 1e6, width=32)
_STEPS = st.one_of(st.integers(-40, 60), st.integers(-40, 60), st.integers(-2000, 2000))


@st.composite
def _streams(draw: st.DrawFn) -> list[Record]:
    """Draw records whose times go on in small steps, sometimes with outliers, sometimes from another level."""
    level_ns, records = draw(st.integers(-500, 500)), []
    for step_ns in draw(st.lists(_STEPS, max_size=60)):
        record = (draw(st.integers(0, _SERIES - 1)), level_ns + step_ns, draw(_VALUES), draw(st.integers(0, 9)) == 0)
        records.append(record)
        if abs(step_ns) <= 60 or draw(st.booleans()):
            level_ns += step_ns
    return records


def _windows(plan: WindowPlan) -> Windows:
    windows = new_windows(plan, _FIELDS)
    windows.grow(_SERIES)
    return windows


def _absorb(windows: Windows, records: list[Record], first_offset: int) -> Absorbed:
    columns = list(zip(*records, strict=True)) or [(), (), (), ()]
    values = np.array(columns[2], np.float64)
    return windows.absorb(
        np.arange(first_offset, first_offset + len(records)),
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.stack((values, -values), axis=1),
        np.where(np.array(columns[3], bool), np.uint8(Reason.MALFORMED), np.uint8(0)),
    )


def _joined(parts: list[Absorbed]) -> tuple[np.ndarray, ClosedWindows]:
    columns = zip(*(astuple(part.closed) for part in parts), strict=True)
    return np.concatenate([part.reason for part in parts]), ClosedWindows(*map(np.concatenate, columns))


def _assert_same(one: ClosedWindows, other: ClosedWindows) -> None:
    for left, right in zip(astuple(one), astuple(other), strict=True):
        np.testing.assert_array_equal(left, right)


@settings(max_examples=150, deadline=None)
@given(plan=_plans(), records=_streams(), cuts=st.sets(st.integers(0, 60)), restarts=st.sets(st.integers(0, 60)))
def test_batches_and_restarts_carry_no_meaning(
    plan: WindowPlan, records: list[Record], cuts: set[int], restarts: set[int]
) -> None:
    """Any cut into batches, with restarts at any of them, gives the same bytes as one batch."""
    whole, cut = _windows(plan), _windows(plan)
    at_once = _absorb(whole, records, 0)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(records)), len(records)]
    parts: list[Absorbed] = []
    for start, stop in pairwise(edges):
        parts.append(_absorb(cut, records[start:stop], start))
        if stop in restarts:
            state = pack(cut.snapshot())
            cut = new_windows(plan, _FIELDS)
            cut.restore(unpack(state))
    reason, closed = _joined(parts)
    np.testing.assert_array_equal(reason, at_once.reason)
    _assert_same(closed, at_once.closed)
    assert pack(cut.snapshot()) == pack(whole.snapshot())


@settings(max_examples=150, deadline=None)
@given(plan=_plans(), records=_streams())
def test_each_record_has_one_reason_and_each_window_is_told_once(plan: WindowPlan, records: list[Record]) -> None:
    """Refused records keep their reason, others get one of three; windows come once, ordered by end and slot."""
    absorbed = _absorb(_windows(plan), records, 0)
    refused = np.array([record[3] for record in records], bool)
    assert (absorbed.reason[refused] == Reason.MALFORMED).all()
    own = {Reason.IN_WINDOW, Reason.BEHIND_WATERMARK, Reason.TIME_JUMP}
    assert set(absorbed.reason[~refused].tolist()) <= own
    closed = absorbed.closed
    order = list(zip(closed.end_ns.tolist(), closed.slot.tolist(), strict=True))
    assert order == sorted(set(order))
    assert (closed.end_ns - closed.start_ns == plan.size_ns).all()
    assert (closed.end_ns % plan.slide_ns == 0).all()
    assert (closed.count > 0).all()


@settings(max_examples=150, deadline=None)
@given(plan=_plans(), records=_streams(), future=_streams())
def test_a_window_told_does_not_change(plan: WindowPlan, records: list[Record], future: list[Record]) -> None:
    """Whatever comes after, the windows and reasons of the records so far stay as they were."""
    so_far = _absorb(_windows(plan), records, 0)
    with_future = _absorb(_windows(plan), records + future, 0)
    np.testing.assert_array_equal(with_future.reason[: len(records)], so_far.reason)
    early = with_future.closed.closed_by_offset < len(records)
    kept = ClosedWindows(*(column[early] for column in astuple(with_future.closed)))
    _assert_same(kept, so_far.closed)


@settings(max_examples=100, deadline=None)
@given(plan=_plans(), data=st.data())
def test_disorder_within_the_lateness_changes_nothing(plan: WindowPlan, data: st.DataObject) -> None:
    """Records that come at most the lateness behind give the windows of the sorted stream."""
    ordered = data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, _SERIES - 1), _VALUES), max_size=60))
    ordered.sort()
    delays = data.draw(st.lists(st.integers(0, plan.lateness_ns), min_size=len(ordered), max_size=len(ordered)))
    arrival = sorted(range(len(ordered)), key=lambda row: (ordered[row][0] + delays[row], row))
    # Two records at 0 settle the stream; three far ahead close everything.
    before, after = [(0, 0, 0.0, False)] * 2, [(0, _LAST_NS, 0.0, False)] * 3
    sorted_stream = [(slot, time_ns, value, False) for time_ns, slot, value in ordered]
    disordered = [sorted_stream[row] for row in arrival]
    one = _absorb(_windows(plan), [*before, *sorted_stream, *after], 0)
    other = _absorb(_windows(plan), [*before, *disordered, *after], 0)
    np.testing.assert_array_equal(other.reason, one.reason)
    for column in ("slot", "start_ns", "end_ns", "count", "refusal"):
        np.testing.assert_array_equal(getattr(other.closed, column), getattr(one.closed, column))
    np.testing.assert_allclose(other.closed.values, one.closed.values, rtol=1e-9, atol=1e-6)
