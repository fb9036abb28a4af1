"""The last records of a group."""

from __future__ import annotations

import numpy as np

from pynomaly.domain.record import Float64Matrix


class TrainingWindow:
    """Up to ``limit`` rows of ``fields`` numbers, oldest first.

    Rows are written one after the other and moved to the front when the buffer is full, so `append` costs one copy
    of each row, amortised. Holds at most ``2 * limit * fields * 8`` bytes, and little for a group of few records.
    """

    def __init__(self, limit: int, fields: int) -> None:
        self._limit = limit
        self._buffer = np.empty((0, fields))
        self._end = 0

    def rows(self) -> Float64Matrix:
        """Return a view of the last rows; `append` may overwrite it."""
        return self._buffer[max(0, self._end - self._limit) : self._end]

    def append(self, values: Float64Matrix) -> None:
        """Add ``(n, d)`` rows after the last one."""
        new = values[-self._limit :]
        if self._end + len(new) > len(self._buffer):
            self._compact(len(new))
        self._buffer[self._end : self._end + len(new)] = new
        self._end += len(new)

    def _compact(self, room: int) -> None:
        kept = self.rows()
        buffer = np.empty((min(2 * (len(kept) + room), 2 * self._limit), kept.shape[1]))
        buffer[: len(kept)] = kept
        self._buffer, self._end = buffer, len(kept)
