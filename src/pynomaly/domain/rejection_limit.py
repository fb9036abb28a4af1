"""When so many records are rejected that the stream, or the flow, is wrong as a whole.

Rules, judged at each rejected record in the order of its stream, where *rejected* is the outcome and nothing else
(a late record is not):

1. at the start: as long as no record of the stream was accepted, at most `run_at_start` may be rejected;
2. in a row: at most `run` records may be rejected with none between them that was not;
3. over a window: at most `most` of the last `of` records may be rejected.

The first record beyond a limit trips. It is not judged: the stream stops in front of it, and a start goes on with it.
All rules look at numbers of records since the first one, so they trip at the same record whatever the batches are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from pynomaly.domain.error import Problem, StateError
from pynomaly.domain.option import Options, option
from pynomaly.domain.record import Int64Column
from pynomaly.domain.state import StateImage

_MOST: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class RejectionLimits(Options):
    """How many records of one input partition may be rejected before the flow stops."""

    most: int = option(1_000, "most rejected records among the last `of`", low=1, high=_MOST)
    of: int = option(2_000, "length of the window in which `most` is counted [records]", low=2, high=_MOST)
    run: int = option(500, "most rejected records in a row", low=1, high=_MOST)
    run_at_start: int = option(100, "the same, as long as no record at all was accepted", low=1, high=_MOST)

    def _conflicts(self) -> Iterator[Problem]:
        if self.most >= self.of:
            yield Problem("most", f"must be less than of ({self.of}), or it never holds, was {self.most}")


@dataclass(frozen=True, slots=True)
class Excess:
    """The first record beyond a limit.

    Parameters
    ----------
    row
        Its row in the batch.
    limit
        Name of the option that it breaks.
    allowed
        What the limit is, in words.
    """

    row: int
    limit: str
    allowed: str


class RejectionBreaker:
    """Counts the rejected records of one stream against its limits.

    State: at most ``max(most, run)`` numbers. A batch without rejected records costs nothing; others O(rejected).

    Parameters
    ----------
    limits
        The limits.
    """

    def __init__(self, limits: RejectionLimits) -> None:
        self._limits = limits
        self._records = 0
        self._any_accepted = False
        self._rejected = np.empty(0, np.int64)

    def count(self, rejected: Int64Column, records: int) -> Excess | None:
        """Take in the next records; return the first one beyond a limit, after which no more may come.

        Parameters
        ----------
        rejected
            ``(r,)`` ascending rows of the rejected records.
        records
            How many records there are.
        """
        excess = self._excess(rejected) if len(rejected) > 0 else None
        self._any_accepted = self._any_accepted or len(rejected) < records
        if len(rejected) > 0:
            kept = max(self._limits.most, self._limits.run)
            self._rejected = np.concatenate([self._rejected, rejected + self._records])[-kept:]
        self._records += records
        return excess

    def snapshot(self) -> StateImage:
        """Return a copy of the state after the last record."""
        header = {"state": "rejections", "records": self._records, "any_accepted": self._any_accepted}
        return StateImage(header, {"rejected": self._rejected.copy()})

    def restore(self, image: StateImage) -> None:
        """Take over a state; the limits may have changed since.

        Raises
        ------
        StateError
            When it is not one of these.
        """
        rejected = image.sections.get("rejected")
        match image.header:
            case {"state": "rejections", "records": int(records), "any_accepted": bool(any_accepted)} if (
                rejected is not None and rejected.dtype == np.int64 and rejected.ndim == 1
            ):
                self._records, self._any_accepted, self._rejected = records, any_accepted, rejected.copy()
            case _:
                raise StateError(f"saved rejections must have records, any_accepted and rejected, was {image.header}")

    def _excess(self, rejected: Int64Column) -> Excess | None:
        limits = self._limits
        broken = [
            Excess(row, name, allowed)
            for row, name, allowed in (
                (self._beyond_start(rejected), "run_at_start", f"{limits.run_at_start:,} before the first good one"),
                (self._beyond(rejected, limits.run, limits.run + 1), "run", f"{limits.run:,} in a row"),
                (self._beyond(rejected, limits.most, limits.of), "most", f"{limits.most:,} of {limits.of:,}"),
            )
            if row is not None
        ]
        return min(broken, key=lambda excess: excess.row, default=None)

    def _beyond_start(self, rejected: Int64Column) -> int | None:
        """Return the row of the first record beyond `run_at_start`, if all records up to it were rejected."""
        row = max(self._limits.run_at_start - self._records, 0)
        trips = not self._any_accepted and row < len(rejected) and int(rejected[row]) == row
        return row if trips else None

    def _beyond(self, rejected: Int64Column, most: int, of: int) -> int | None:
        """Return the row of the first record that is, with ``most`` before it, among ``of`` consecutive ones."""
        recent = np.concatenate([self._rejected[-most:], rejected + self._records])
        begins = recent[: max(len(recent) - most, 0)]
        found = np.flatnonzero(recent[len(recent) - len(begins) :] - begins < of)
        return int(recent[found[0] + most]) - self._records if len(found) > 0 else None
