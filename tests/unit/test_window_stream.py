"""Windows of one stream on examples small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cached_kernels import new_windows
from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.state import StateImage, pack
from pynomaly.domain.windows import AGGREGATES, Absorbed, ClosedWindows, WindowPlan, Windows

_TUMBLING = WindowPlan(10, 10, AGGREGATES, lateness_ns=5, max_jump_ns=1000)
_SLIDING = WindowPlan(30, 10, ("count", "mean"), lateness_ns=0, max_jump_ns=1000)


def _absorb(windows: Windows, *records: tuple[int, int, float], first_offset: int = 0) -> Absorbed:
    """Take in records given as (slot, time, value)."""
    slot, time_ns, values = zip(*records, strict=True)
    windows.grow(max(slot) + 1)
    return windows.absorb(
        np.arange(first_offset, first_offset + len(records)),
        np.array(slot, np.int64),
        np.array(time_ns, np.int64),
        np.array(values, np.float64)[:, np.newaxis],
        np.zeros(len(records), np.uint8),
    )


def _told(closed: ClosedWindows) -> list[tuple[int, int, int, int, int]]:
    """Return (slot, start, end, count, offset that closed it) of each window."""
    columns = (closed.slot, closed.start_ns, closed.end_ns, closed.count, closed.closed_by_offset)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_tumbling_window() -> None:
    """A window closes at the record that moves the watermark to its end, with all five aggregates."""
    absorbed = _absorb(new_windows(_TUMBLING, 1), (0, 3, 2.0), (0, 9, 6.0), (0, 14, 99.0), (0, 4, 7.0), (0, 15, 1.0))
    assert absorbed.reason.tolist() == [Reason.IN_WINDOW] * 5
    assert _told(absorbed.closed) == [(0, 0, 10, 3, 4)]
    # 2, 6, 7: mean 5, squared deviations 9 + 1 + 4
    np.testing.assert_allclose(absorbed.closed.values, [[3.0, 5.0, 2.0, 7.0, np.sqrt(14 / 3)]], rtol=1e-15)
    assert absorbed.closed.refusal.tolist() == [0]


def test_late_record() -> None:
    """A record of a closed window is late; one of the open window is not, though it lies behind the watermark."""
    absorbed = _absorb(new_windows(_TUMBLING, 1), (0, 3, 1.0), (0, 24, 1.0), (0, 9, 1.0), (0, 11, 1.0))
    assert absorbed.reason.tolist() == [Reason.IN_WINDOW, Reason.IN_WINDOW, Reason.BEHIND_WATERMARK, Reason.IN_WINDOW]
    assert _told(absorbed.closed) == [(0, 0, 10, 1, 1)]


def test_late_for_some_sliding_windows_only() -> None:
    """A record whose first windows have closed goes into those that are open and is not late."""
    windows = new_windows(_SLIDING, 1)
    first = _absorb(windows, (0, 5, 1.0), (0, 25, 5.0), (0, 8, 3.0), (0, 31, 7.0))
    # The watermark stands at 25 when the record at 8 comes: windows that end at 10 and 20 are closed.
    assert first.reason.tolist() == [Reason.IN_WINDOW] * 4
    assert _told(first.closed) == [(0, -20, 10, 1, 1), (0, -10, 20, 1, 1), (0, 0, 30, 3, 3)]
    np.testing.assert_array_equal(first.closed.values, [[1, 1], [1, 1], [3, 3]])
    late = _absorb(windows, (0, 9, 1.0), (0, 10, 9.0), first_offset=4)
    assert late.reason.tolist() == [Reason.BEHIND_WATERMARK, Reason.IN_WINDOW]


def test_a_result_is_not_written_again() -> None:
    """The windows of one batch stay as they are when the next batch closes others."""
    windows = new_windows(_TUMBLING, 1)
    first = _absorb(windows, (0, 3, 1.0), (0, 15, 2.0))
    second = _absorb(windows, (0, 25, 3.0), first_offset=2)
    assert _told(first.closed) == [(0, 0, 10, 1, 1)]
    assert _told(second.closed) == [(0, 10, 20, 1, 2)]
    assert (first.closed.values[0, 1], second.closed.values[0, 1]) == (1.0, 2.0)


def test_times_before_1970() -> None:
    """Windows are aligned to the epoch on both sides of it."""
    absorbed = _absorb(new_windows(_TUMBLING, 1), (0, -11, 1.0), (0, -1, 2.0), (0, 5, 3.0))
    assert _told(absorbed.closed) == [(0, -20, -10, 1, 1), (0, -10, 0, 1, 2)]


def test_idle_series_close_with_the_stream() -> None:
    """A series without new records is closed by the others, in the order end, then slot."""
    absorbed = _absorb(new_windows(_TUMBLING, 1), (2, 11, 1.0), (1, 12, 1.0), (0, 8, 1.0), (5, 90, 1.0))
    assert _told(absorbed.closed) == [(0, 0, 10, 1, 3), (1, 10, 20, 1, 3), (2, 10, 20, 1, 3)]


def test_the_end_of_the_input_closes_nothing() -> None:
    """What the watermark has not reached stays open, whatever batches come."""
    windows = new_windows(_TUMBLING, 1)
    assert len(_absorb(windows, (0, 3, 1.0)).closed) == 0
    nothing = np.empty(0, np.int64)
    empty = windows.absorb(nothing, nothing, nothing, np.empty((0, 1)), np.empty(0, np.uint8))
    assert (len(empty.reason), len(empty.closed)) == (0, 0)
    assert _told(_absorb(windows, (0, 15, 2.0), first_offset=1).closed) == [(0, 0, 10, 1, 1)]


def test_an_outage_of_many_windows() -> None:
    """A confirmed jump closes what was open; the empty span between tells nothing."""
    absorbed = _absorb(
        new_windows(_TUMBLING, 1), (0, 3, 1.0), (0, 4, 1.0), (0, 10**15, 1.0), (0, 10**15, 1.0), (0, 10**15, 1.0)
    )
    assert absorbed.reason.tolist() == [
        Reason.IN_WINDOW,
        Reason.IN_WINDOW,
        Reason.TIME_JUMP,
        Reason.TIME_JUMP,
        Reason.IN_WINDOW,
    ]
    assert _told(absorbed.closed) == [(0, 0, 10, 2, 4)]


def test_an_absurd_first_record_leaves_nothing_behind() -> None:
    """When the stream is rebased, the window of its disowned first record is never told."""
    windows = new_windows(_TUMBLING, 1)
    absurd = _absorb(windows, (0, 10**15, 99.0), (0, 3, 1.0), (0, 4, 1.0), (0, 5, 1.0))
    assert absurd.reason.tolist() == [Reason.IN_WINDOW, Reason.TIME_JUMP, Reason.TIME_JUMP, Reason.IN_WINDOW]
    times = [*range(6, 1006, 500), 10**6, 10**6, 10**6]
    later = _absorb(windows, *((0, time_ns, 1.0) for time_ns in times), first_offset=4)
    assert [told[:4] for told in _told(later.closed)] == [(0, 0, 10, 2), (0, 500, 510, 1)]
    assert later.closed.values[:, 3].tolist() == [1.0, 1.0]


def test_refused_records_touch_nothing() -> None:
    """A refused record keeps its reason, whatever stands in its columns."""
    windows = new_windows(_TUMBLING, 1)
    before = pack(windows.snapshot())
    absorbed = windows.absorb(
        np.array([0]),
        np.array([-1]),
        np.array([0]),
        np.array([[np.nan]]),
        np.array([Reason.MALFORMED], np.uint8),
    )
    assert absorbed.reason.tolist() == [Reason.MALFORMED]
    assert pack(windows.snapshot()) == before


def test_more_windows_and_series_than_the_first_room() -> None:
    """Buffers and state grow in the middle of a stream without losing anything."""
    windows = new_windows(_TUMBLING, 1)
    _absorb(windows, (0, 1, 0.0), (1, 2, 1.0))
    absorbed = _absorb(windows, *((slot, 3, float(slot)) for slot in range(1000)), (0, 15, 0.0), first_offset=2)
    assert _told(absorbed.closed) == [(slot, 0, 10, 2 if slot < 2 else 1, 1002) for slot in range(1000)]
    np.testing.assert_array_equal(absorbed.closed.values[:, 1], np.arange(1000))


def test_overflow_refuses_the_window() -> None:
    """A window whose spread does not fit a double is told as refused; others of the series are not touched."""
    absorbed = _absorb(new_windows(_TUMBLING, 1), (0, 1, 1e200), (0, 2, -1e200), (0, 11, 1e200), (0, 31, 0.0))
    assert absorbed.closed.refusal.tolist() == [Reason.NOT_FINITE, 0]
    assert np.isnan(absorbed.closed.values[0]).all()
    assert absorbed.closed.values[1].tolist() == [1.0, 1e200, 1e200, 1e200, 0.0]


def test_a_slot_without_room_is_our_bug() -> None:
    """A slot beyond the room made is refused before anything is written."""
    with pytest.raises(IndexError, match="slot must be below 0, was 3: call grow first"):
        new_windows(_TUMBLING, 1).absorb(
            np.array([0]), np.array([3]), np.array([0]), np.array([[1.0]]), np.zeros(1, np.uint8)
        )


@pytest.mark.parametrize(
    ("plan", "fields", "text"),
    [
        (_SLIDING, 1, "saved windows must have size_ns 30, was 10: go on with the flow that wrote them"),
        (_TUMBLING, 2, "saved windows must have fields 2, was 1"),
    ],
)
def test_state_of_other_windows_is_refused(plan: WindowPlan, fields: int, text: str) -> None:
    """State goes into windows of the same plan only."""
    image = new_windows(_TUMBLING, 1).snapshot()
    with pytest.raises(StateError, match=text):
        new_windows(plan, fields).restore(image)


def test_incomplete_state_is_refused() -> None:
    """A missing or misshapen section is named, and the windows stay as they were."""
    windows = new_windows(_TUMBLING, 1)
    _absorb(windows, (0, 3, 1.0))
    image = windows.snapshot()
    sections = {name: array for name, array in image.sections.items() if name != "moments"}
    with pytest.raises(StateError, match=r"section moments must be .*, was missing"):
        windows.restore(StateImage(image.header, sections))
    assert pack(windows.snapshot()) == pack(image)
