"""A series just before one of its records: what was judged can be judged again, and so can what might have come.

Nothing here decides anything. Copies of the state go through the flow's own kernel, so an answer is what the engine
says, to the last bit, and costs the kernel's time and one copy of the state a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.record import ByteColumn, Float64Matrix, Int64Column
from pynomaly.domain.scoring import ProcessKernel, Scoring
from pynomaly.domain.state import StateImage

_MOST_COPIED: Final = 1 << 25  # bytes of state copied at once


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """``n`` records, or closed windows, on their way into the kernel.

    Parameters
    ----------
    offset, time_ns
        ``(n,)`` the record, or the one that closed the window; event time, or the window's end.
    slot
        ``(n,)`` number of the series.
    refusal
        ``(n,)`` reason of a row that is not scored, else 0.
    values
        ``(n, d)`` what the detectors see.
    external
        ``(n, m)`` scores of the adapted parts, in the plan's order.
    key
        ``(n,)`` key of each row's series.
    """

    offset: Int64Column
    time_ns: Int64Column
    slot: Int64Column
    refusal: ByteColumn
    values: Float64Matrix
    external: Float64Matrix
    key: Sequence[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """A series before a record, and the record.

    Parameters
    ----------
    plan, kernel
        What judges it.
    state
        Of this one series, before the record.
    time_ns
        Its event time.
    values
        ``(d,)``.
    external
        ``(m,)`` scores of the adapted parts.
    """

    plan: ScoringPlan
    kernel: ProcessKernel
    state: StateImage
    time_ns: int
    values: NDArray[np.float64]
    external: NDArray[np.float64]

    @classmethod
    def before(cls, rows: ScoredRows, row: int, scoring: Scoring) -> Moment:
        """Return the moment before one of the rows that ``scoring`` is about to process."""
        slot = int(rows.slot[row])
        earlier = np.flatnonzero((rows.slot[:row] == slot) & (rows.refusal[:row] == 0))
        state = scoring.state_of(slot)
        if len(earlier):
            series = _series(scoring.plan, scoring.kernel, state, 1)
            series.process(
                np.zeros(len(earlier), np.int64),
                np.zeros(len(earlier), np.uint8),
                rows.time_ns[earlier],
                rows.values[earlier],
                rows.external[earlier],
                1,
            )
            state = series.state_of(0)
        return cls(
            scoring.plan, scoring.kernel, state, int(rows.time_ns[row]), rows.values[row].copy(), rows.external[row]
        )

    def judged(self) -> tuple[Outcomes, StateImage]:
        """Return what becomes of the record, and the state after it was learned."""
        series = _series(self.plan, self.kernel, self.state, 1)
        return self._process(series, self.values[np.newaxis]), series.state_of(0)

    def with_value(self, column: int, values: NDArray[np.float64]) -> Outcomes:
        """Return what would become of the record with each of ``(n,)`` other values of one field.

        The scores of adapted parts stay those of the record: what they would say is not known.
        """
        records = np.repeat(self.values[np.newaxis], len(values), axis=0)
        records[:, column] = values
        return self.instead(records)

    def instead(self, records: Float64Matrix) -> Outcomes:
        """Return what would become of each of ``(n, d)`` records in the place of this one."""
        size = sum(section.dtype.itemsize for section in self.state.sections.values())
        step = max(_MOST_COPIED // size, 1)
        pieces = [self._instead(records[start : start + step]) for start in range(0, len(records), step)]
        return Outcomes(
            *(np.concatenate([getattr(piece, column.name) for piece in pieces]) for column in fields(Outcomes))
        )

    def _instead(self, records: Float64Matrix) -> Outcomes:
        return self._process(_series(self.plan, self.kernel, self.state, len(records)), records)

    def _process(self, series: Scoring, records: Float64Matrix) -> Outcomes:
        count = len(records)
        return series.process(
            np.arange(count),
            np.zeros(count, np.uint8),
            np.full(count, self.time_ns),
            np.ascontiguousarray(records),
            np.repeat(self.external[np.newaxis], count, axis=0),
            count,
        )


def _series(plan: ScoringPlan, kernel: ProcessKernel, state: StateImage, copies: int) -> Scoring:
    """Return a scoring of its own whose series all have the same state."""
    scoring = Scoring(plan, kernel)
    scoring.restore(StateImage({}, {name: np.repeat(rows, copies) for name, rows in state.sections.items()}))
    return scoring
