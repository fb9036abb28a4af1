"""The series of one record, as far as it is near: kept while the input is replayed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.record import Float64Matrix, Int64Column

#: Most records of the past that are kept, about 100 bytes each.
MOST_PAST: Final = 50_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``n`` judged records, or windows, of one series.

    Parameters
    ----------
    offset, time_ns
        ``(n,)`` position (of a window: of the record that closed it) and event time (end of the window).
    values, expected
        ``(n, d)``.
    evidence, bar
        ``(n,)``, NaN where nothing was judged.
    level
        ``(n,)`` level of the alert, 0 where none.
    """

    offset: Int64Column
    time_ns: Int64Column
    values: Float64Matrix
    expected: Float64Matrix
    evidence: NDArray[np.float64]
    bar: NDArray[np.float64]
    level: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offset)

    @classmethod
    def of(
        cls, rows: Int64Column, offset: Int64Column, time_ns: Int64Column, values: Float64Matrix, outcomes: Outcomes
    ) -> Surroundings:
        """Take some rows of what was judged."""
        return cls(
            offset[rows],
            time_ns[rows],
            values[rows],
            outcomes.expected[rows],
            outcomes.evidence[rows],
            outcomes.bar[rows],
            outcomes.level[rows],
        )

    def between(self, begin: int, end: int) -> Surroundings:
        """Return records ``begin:end``."""
        return Surroundings(*(column[max(begin, 0) : end] for column in self._columns()))

    def followed_by(self, more: Surroundings) -> Surroundings:
        """Return these records and later ones."""
        pairs = zip(self._columns(), more._columns(), strict=True)
        return Surroundings(*(np.concatenate(pair) for pair in pairs))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return tuple(getattr(self, column.name) for column in fields(self))
