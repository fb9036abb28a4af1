"""Leaving a detector out that fails on one record after the other, and trying it again.

The rules, for the records of one part in one stream, in their order:

1. closed: the detector is asked. It *fails* where it raises or answers NaN although it knows enough; that record has
   no score of it. A record that it only learns, because it does not know enough yet, changes nothing here;
2. `FAILURES` failures with no answer between them open the breaker: the detector is neither asked nor taught for the
   next `PAUSE` records, which have no score of it;
3. then each record is a trial until one is answered, which closes the breaker, or failed, which begins another pause.

It counts records and knows no clock, and its state rests with the part's: a replay leaves out the same records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.adapted import AcceptedRows, PartContext
from pynomaly.domain.event import DetectorStatus, DetectorStatusChanged, event_id

FAILURES: Final = 10
PAUSE: Final = 1_000
_LONGEST_ERROR: Final = 300
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")


class NoNumberError(ArithmeticError):
    """A detector that knows enough answered NaN."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The breaker opened or closed, for the ``number``-th time, at a row; why is empty where it closed."""

    row: int
    number: int
    status: DetectorStatus
    error: str = ""


class Breaker:
    """One part's breaker in one stream; a record costs 0.1 us."""

    def __init__(self) -> None:
        self._failures = self._pause_left = self._turns = 0

    @property
    def is_calm(self) -> bool:
        """Whether the last record that was asked about was answered: answers need not be told then."""
        return self._failures == 0

    def pause_within(self, records: int) -> int:
        """Return how many of the next records will not be asked about whatever happens to the others."""
        return min(self._pause_left, records)

    def asks(self) -> bool:
        """Take the next record; tell whether the detector is asked."""
        if self._pause_left:
            self._pause_left -= 1
            return False
        return True

    def answered(self, row: int) -> list[Turn]:
        """Take an answer; return the turn that it makes, if it makes one."""
        was_open, self._failures = self._failures >= FAILURES, 0
        return [self._turn(row, "working")] if was_open else []

    def failed(self, row: int, error: str) -> list[Turn]:
        """Take a failure; return the turn that it makes, if it makes one."""
        self._failures = min(self._failures + 1, FAILURES + 1)
        if self._failures >= FAILURES:
            self._pause_left = PAUSE
        return [self._turn(row, "degraded", error)] if self._failures == FAILURES else []

    def snapshot(self) -> NDArray[Any]:
        """Return the state after the last record."""
        return np.array([self._failures, self._pause_left, self._turns], np.int64)

    def restore(self, state: NDArray[Any] | None) -> None:
        """Take over a state; None is that of a part which was saved before there were breakers."""
        self._failures, self._pause_left, self._turns = (0, 0, 0) if state is None else state.tolist()

    def _turn(self, row: int, status: DetectorStatus, error: str = "") -> Turn:
        self._turns += 1
        return Turn(row, self._turns, status, error)


def told(error: Exception) -> str:
    """Say what a detector raised, the same in every process."""
    return _ADDRESS.sub("0x", f"{type(error).__name__}: {error}")[:_LONGEST_ERROR]


def status_changed(context: PartContext, rows: AcceptedRows, turn: Turn) -> DetectorStatusChanged:
    """Return the event of a turn."""
    flow, stream, part, offset = context.flow, context.stream, context.part, int(rows.offset[turn.row])
    identity = event_id("detector-status-changed", flow, stream, offset, part, turn.number)
    return DetectorStatusChanged(identity, flow, stream, offset, part, turn.status, turn.error)
