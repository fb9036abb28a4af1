"""The watermark of a stream, from event time only, in record order.

The *front* is the highest event time accepted so far; the watermark is the front minus the lateness
bound. One absurd time must not drag the front into the future and make every later record late, and a
true gap of days must not lock the stream out. So a *far* time is believed only when it is repeated:

=========  ====================================  =====================================================
stage      time of the record                    what happens
=========  ====================================  =====================================================
EMPTY      any                                   accepted: it is the front; LONE
LONE       within ``max_jump`` of the front      accepted: the front is the higher one; SETTLED
LONE       far ahead of the front or far behind  suspect
SETTLED    up to ``max_jump`` ahead, or behind   accepted: the front is the higher one
SETTLED    far ahead of the front                suspect
=========  ====================================  =====================================================

* A suspect is refused (`Reason.TIME_JUMP`) until `CONFIRMATIONS` suspects came in a run, each within
  ``max_jump`` of the one before. The last of them is accepted and is the front; SETTLED.
* A suspect that does not agree with the one before starts a new run; an accepted record, late or not,
  ends the run. Records refused before they came here are not looked at.
* A confirmed suspect that lies behind the front (possible in LONE only) *rebases* the stream: its first
  record was the absurd one, and whatever that record alone has left is to be forgotten. In SETTLED the
  front, and so the watermark, never goes back.

Every rule reads records and state only, so a replay repeats every verdict. A stream whose ordinary gaps are at
most ``max_jump`` always finds back after an outage. The guard fails on a stream whose ordinary gaps exceed it
(its records never agree: they are all refused, and counted as such), and on `CONFIRMATIONS` absurd times in
a row that agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError
from pynomaly.domain.jit import compiled
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Int64Column
from pynomaly.domain.state import StateImage

Row = Any  # one row of a structured array, as compiled code sees it

#: Suspects in a row that must agree before a far time is believed.
CONFIRMATIONS: Final = 3

EMPTY, LONE, SETTLED = 0, 1, 2
REFUSED, ACCEPTED, REBASED = 0, 1, 2

#: State of one stream, 32 bytes: the front, the last suspect and the length of its run, the stage.
WATERMARK: Final = np.dtype(
    [("front_ns", "i8"), ("suspect_ns", "i8"), ("suspects", "i8"), ("stage", "i8")],
    align=True,
)

_TIME_JUMP = int(Reason.TIME_JUMP)
_BEHIND_WATERMARK = int(Reason.BEHIND_WATERMARK)


@compiled
def advance(mark: Row, max_jump_ns: int, time_ns: int) -> int:
    """Apply the rules above to one record. Return REFUSED, ACCEPTED or REBASED.

    Exact for times a year away from the ends of int64 (1679 to 2261).
    """
    if mark.stage == EMPTY:
        mark.front_ns = time_ns
        mark.stage = LONE
        return ACCEPTED
    ahead = time_ns > mark.front_ns + max_jump_ns
    if ahead or (mark.stage == LONE and time_ns < mark.front_ns - max_jump_ns):
        return _suspect(mark, max_jump_ns, time_ns)
    mark.front_ns = max(mark.front_ns, time_ns)
    mark.stage = SETTLED
    mark.suspects = 0
    return ACCEPTED


@compiled
def _suspect(mark: Row, max_jump_ns: int, time_ns: int) -> int:
    agrees = abs(time_ns - mark.suspect_ns) <= max_jump_ns
    mark.suspects = mark.suspects + 1 if agrees and mark.suspects > 0 else 1
    mark.suspect_ns = time_ns
    if mark.suspects < CONFIRMATIONS:
        return REFUSED
    rebased = time_ns < mark.front_ns
    mark.front_ns = time_ns
    mark.stage = SETTLED
    mark.suspects = 0
    return REBASED if rebased else ACCEPTED


@compiled
def judge_times(
    marks: NDArray[Any],
    lateness_ns: int,
    max_jump_ns: int,
    time_ns: Int64Column,
    refusal: ByteColumn,
    reason: ByteColumn,
) -> None:
    """Give every record its reason where no window asks for more; see `Watermark.judge`."""
    mark = marks[0]
    for i in range(len(time_ns)):
        if refusal[i] != 0:
            reason[i] = refusal[i]
        elif advance(mark, max_jump_ns, time_ns[i]) == REFUSED:
            reason[i] = _TIME_JUMP
        elif time_ns[i] < mark.front_ns - lateness_ns:
            reason[i] = _BEHIND_WATERMARK
        else:
            reason[i] = 0


JudgeTimes = Callable[[NDArray[Any], int, int, Int64Column, ByteColumn, ByteColumn], None]


class Watermark:
    """Tells the late records of a stream that has no windows.

    Parameters
    ----------
    lateness_ns
        How far the watermark stays behind the front.
    max_jump_ns
        How far ahead of the front a record may be and still be believed alone.
    judge
        `judge_times`, or the same function from a cache on disk.
    """

    def __init__(self, lateness_ns: int, max_jump_ns: int, *, judge: JudgeTimes = judge_times) -> None:
        self._marks = np.zeros(1, WATERMARK)
        self._lateness_ns = lateness_ns
        self._max_jump_ns = max_jump_ns
        self._judge = judge

    @property
    def watermark_ns(self) -> int | None:
        """The watermark after the last record; None before the first."""
        return watermark_of(self._marks, self._lateness_ns)

    def judge(self, time_ns: Int64Column, refusal: ByteColumn) -> ByteColumn:
        """Return a `Reason` for each of ``n`` records, in order; costs about 2 ns a record.

        ``refusal`` where it is not 0, else TIME_JUMP, BEHIND_WATERMARK or ACCEPTED. A record is late when its
        time lies before the watermark that holds after it.
        """
        reason = np.empty(len(time_ns), np.uint8)
        self._judge(self._marks, self._lateness_ns, self._max_jump_ns, time_ns, refusal, reason)
        return reason

    def snapshot(self) -> StateImage:
        """Return the state after the last record."""
        return StateImage({"state": "watermark"}, {"watermark": self._marks.copy()})

    def restore(self, image: StateImage) -> None:
        """Take over a state.

        Raises
        ------
        StateError
            When it is not the state of a watermark.
        """
        if image.header.get("state") != "watermark":
            raise StateError(f"state must be that of a watermark, was {image.header.get('state')!r}")
        self._marks = restored_marks(image)


def watermark_of(marks: NDArray[Any], lateness_ns: int) -> int | None:
    """Read the watermark out of a stream's state; None before its first record."""
    if marks["stage"][0] == EMPTY:
        return None
    return int(marks["front_ns"][0]) - lateness_ns


def restored_marks(image: StateImage) -> NDArray[Any]:
    """Return a writable copy of the watermark in an image.

    Raises
    ------
    StateError
        When there is none of this layout.
    """
    marks = image.sections.get("watermark")
    if marks is None or marks.dtype != WATERMARK or marks.shape != (1,):
        raise StateError(f"section watermark must be one row of {WATERMARK}, was {marks!r}")
    return marks.copy()
