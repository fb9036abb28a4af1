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

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import StateError
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.state import StateImage

#: Suspects in a row that must agree before a far time is believed.
CONFIRMATIONS: Final = 3

EMPTY, LONE, SETTLED = 0, 1, 2
REFUSED, ACCEPTED, REBASED = 0, 1, 2

#: State of one stream, 32 bytes: the front, the last suspect and the length of its run, the stage.
WATERMARK: Final = np.dtype(
    [("front_ns", "i8"), ("suspect_ns", "i8"), ("suspects", "i8"), ("stage", "i8")],
    align=True,
)


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
    # An equal dtype may be another type to compiled code, for one read back from bytes is not marked as aligned.
    own: NDArray[Any] = np.zeros(1, WATERMARK)
    own[...] = marks
    return own
