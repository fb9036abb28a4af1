"""The clock by which a series of a stream is idle: event time, in record order.

* Without windows the clock is the highest time that three records in a row have reached or passed: the lowest time of
  the last three, and never less than before. One or two absurd times in a row do not move it.
* With windows it is the front of the watermark, under the same rules and from the same records
  (`pynomaly.domain.windows.watermark`). So a series that is idle for the size and the lateness of a window has none
  open any more.
* A stream at its limit goes on: records that are refused only for want of room move the clock as well. Else a stream
  whose series had all been replaced would refuse the new ones for ever.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.windows.watermark import EMPTY, WATERMARK, advance

_SETTLED: Final = 3

#: State of one stream: the time reached, how many records it was made of (up to 3), the times of the last two, and in a
#: flow with windows what the watermark remembers.
CLOCK: Final = np.dtype(
    [
        ("now_ns", "i8"),
        ("records", "i8"),
        ("last_ns", "i8"),
        ("before_ns", "i8"),
        *((name, WATERMARK[name]) for name in WATERMARK.names or ()),
    ],
    align=True,
)


@compiled
def tick(clock: Row, max_jump_ns: int, time_ns: int) -> None:
    """Take note of a record's time."""
    if max_jump_ns > 0:
        advance(clock, max_jump_ns, time_ns)
        if clock.stage != EMPTY:
            clock.now_ns = clock.front_ns
            clock.records = _SETTLED
        return
    if clock.records >= _SETTLED - 1:
        reached = min(time_ns, clock.last_ns, clock.before_ns)
        clock.now_ns = reached if clock.records < _SETTLED else max(clock.now_ns, reached)
    clock.records = min(clock.records + 1, _SETTLED)
    clock.before_ns = clock.last_ns
    clock.last_ns = time_ns


@compiled
def seen_at(clock: Row, time_ns: int) -> int:
    """Return the moment at which a record of that time was seen.

    The clock counts where it is ahead, or a series whose own clock is slow would expire with every record.
    """
    return max(clock.now_ns, time_ns) if clock.records >= _SETTLED else time_ns


@compiled
def is_idle(clock: Row, idle_ns: int, seen_ns: int) -> bool:
    """Whether a series seen last at that moment has expired."""
    return idle_ns > 0 and clock.records >= _SETTLED and clock.now_ns - seen_ns > idle_ns
