"""How often a series is sampled: the median of its first gaps between event times.

A row that keeps it has the fields of `INTERVAL_FIELDS`. Only gaps forward in time count, so a series without a clock
(all times 0) never has an interval, and neither disorder nor a repeated time says anything.
"""

from __future__ import annotations

from typing import Any, Final

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.median import lower_median

GAPS: Final = 64
_NS: Final = 1e-9

#: Fields of the row, 280 bytes.
INTERVAL_FIELDS: Final[list[tuple[Any, ...]]] = [
    ("last_time_ns", "i8"),
    ("gap_count", "i8"),
    ("interval_s", "f8"),  # 0 until it is known
    ("gaps", "f4", (GAPS,)),  # seconds
]


@compiled
def learn_gap(state: Row, time_ns: int) -> None:
    """Learn the time since the last record, until there are enough of them; then it costs one comparison."""
    if state.gap_count >= GAPS:
        return
    gap_s = (time_ns - state.last_time_ns) * _NS
    if state.last_time_ns != 0 and gap_s > 0.0:
        state.gaps[state.gap_count] = gap_s
        state.gap_count += 1
        if state.gap_count == GAPS:
            state.interval_s = lower_median(state.gaps)
    state.last_time_ns = time_ns
