"""Windows against a slow, plain account of the same rules: a dictionary of lists, no panes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from cached_kernels import new_windows
from pynomaly.domain.outcome import Reason
from pynomaly.domain.windows import AGGREGATES, WindowPlan

_SERIES = 40
_FIELDS = 3
_RECORDS = 3000


@dataclass
class _PlainGuard:
    """The watermark's guard, told with lists."""

    max_jump_ns: int
    accepted: list[int] = field(default_factory=list)
    suspects: list[int] = field(default_factory=list)
    front_ns: int = 0

    def judge(self, time_ns: int) -> str:
        far_ahead = time_ns - self.front_ns > self.max_jump_ns
        far_behind = self.front_ns - time_ns > self.max_jump_ns and len(self.accepted) == 1
        if not self.accepted or not (far_ahead or far_behind):
            self.front_ns = time_ns if not self.accepted else max(self.front_ns, time_ns)
            self.suspects = []
            self.accepted.append(time_ns)
            return "accepted"
        agrees = bool(self.suspects) and abs(self.suspects[-1] - time_ns) <= self.max_jump_ns
        self.suspects = [*self.suspects, time_ns] if agrees else [time_ns]
        if len(self.suspects) < 3:
            return "refused"
        rebased = time_ns < self.front_ns
        self.front_ns, self.suspects = time_ns, []
        self.accepted.append(time_ns)
        return "rebased" if rebased else "accepted"


Told = tuple[int, int, int, int, int]


@dataclass
class _PlainWindows:
    """Every open window as the list of its records."""

    plan: WindowPlan
    guard: _PlainGuard
    open: dict[tuple[int, int], list[NDArray[np.float64]]] = field(default_factory=lambda: defaultdict(list))
    closed: list[Told] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)

    def absorb(self, offset: int, slot: int, time_ns: int, values: NDArray[np.float64], refusal: int) -> int:
        if refusal:
            return refusal
        verdict = self.guard.judge(time_ns)
        if verdict == "refused":
            return Reason.TIME_JUMP
        if verdict == "rebased":
            self.open.clear()
        watermark_ns = self.guard.front_ns - self.plan.lateness_ns
        self._close(watermark_ns, offset)
        still_open = [end_ns for end_ns in self._ends(time_ns) if end_ns > watermark_ns]
        for end_ns in still_open:
            self.open[end_ns, slot].append(values)
        return Reason.IN_WINDOW if still_open else Reason.BEHIND_WATERMARK

    def _ends(self, time_ns: int) -> list[int]:
        slide_ns, size_ns = self.plan.slide_ns, self.plan.size_ns
        first = next(end for end in range(time_ns + 1, time_ns + 1 + slide_ns) if end % slide_ns == 0)
        return list(range(first, first + size_ns, slide_ns))

    def _close(self, watermark_ns: int, offset: int) -> None:
        for end_ns, slot in sorted(window for window in self.open if window[0] <= watermark_ns):
            records = np.array(self.open.pop((end_ns, slot)))
            self.closed.append((slot, end_ns - self.plan.size_ns, end_ns, len(records), offset))
            counts = np.full(_FIELDS, len(records))
            measures = (counts, records.mean(0), records.min(0), records.max(0), records.std(0))
            self.values.append(np.stack(measures, axis=1).ravel())


def _stream(seed: int, plan: WindowPlan) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Make a stream with disorder around the lateness bound, gaps, outages and absurd times; odd seeds begin so."""
    rng = np.random.default_rng(seed)
    gaps = rng.integers(0, 4, _RECORDS)
    gaps[rng.random(_RECORDS) < 0.01] = plan.size_ns * 3
    gaps[rng.random(_RECORDS) < 0.002] = plan.max_jump_ns * 5
    time_ns = np.cumsum(gaps) - 1000 - rng.integers(0, 2 * plan.lateness_ns + 2, _RECORDS)
    very_late = rng.random(_RECORDS) < 0.02
    time_ns[very_late] -= rng.integers(0, 4 * plan.size_ns, very_late.sum())
    absurd = rng.random(_RECORDS) < 0.01
    absurd[0] = seed % 2 == 1
    time_ns[absurd] += 10**12
    # Series that come and go, on values where naive sums of squares would lose all digits of the spread.
    slot = (rng.integers(0, 6, _RECORDS) + np.arange(_RECORDS) // 200) % _SERIES
    values = rng.normal([0.0, 1e6, 1e9], [1.0, 1.0, 100.0], (_RECORDS, _FIELDS))
    return slot, time_ns, values


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "plan",
    [
        WindowPlan(20, 20, AGGREGATES, lateness_ns=0, max_jump_ns=500),
        WindowPlan(20, 20, AGGREGATES, lateness_ns=33, max_jump_ns=500),
        WindowPlan(50, 10, AGGREGATES, lateness_ns=7, max_jump_ns=500),
        WindowPlan(60, 20, AGGREGATES, lateness_ns=60, max_jump_ns=500),
        WindowPlan(7, 1, AGGREGATES, lateness_ns=3, max_jump_ns=100),
    ],
    ids=lambda plan: f"{plan.kind}-{plan.size_ns}-{plan.slide_ns}-late-{plan.lateness_ns}",
)
def test_windows_equal_the_plain_account(plan: WindowPlan, seed: int) -> None:
    """Reasons, windows, their order and what closed them are equal; aggregates are NumPy's."""
    slot, time_ns, values = _stream(seed, plan)
    refusal = np.where(np.arange(_RECORDS) % 97 == 5, np.uint8(Reason.NOT_FINITE), np.uint8(0))
    plain = _PlainWindows(plan, _PlainGuard(plan.max_jump_ns))
    rows = zip(slot.tolist(), time_ns.tolist(), values, refusal.tolist(), strict=True)
    expected = [plain.absorb(offset, *row) for offset, row in enumerate(rows)]

    windows = new_windows(plan, _FIELDS)
    windows.grow(_SERIES)
    absorbed = windows.absorb(np.arange(_RECORDS), slot, time_ns, values, refusal)

    np.testing.assert_array_equal(absorbed.reason, expected)
    assert {int(reason) for reason in expected} == {
        Reason.NOT_FINITE,
        Reason.TIME_JUMP,
        Reason.IN_WINDOW,
        Reason.BEHIND_WATERMARK,
    }
    closed = absorbed.closed
    columns = (closed.slot, closed.start_ns, closed.end_ns, closed.count, closed.closed_by_offset)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == plain.closed
    measures = closed.values.reshape(-1, _FIELDS, len(AGGREGATES))
    expected_measures = np.array(plain.values).reshape(measures.shape)
    np.testing.assert_allclose(measures[..., :4], expected_measures[..., :4], rtol=1e-12, atol=1e-12)
    # A mean of 1e9 is rounded to 1e-7, and the spread around it with it.
    np.testing.assert_allclose(measures[..., 4], expected_measures[..., 4], rtol=1e-9, atol=1e-6)
    assert not closed.refusal.any()
