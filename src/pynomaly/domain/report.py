"""Outcomes to domain events: the few rows worth an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.event import (
    AnomalyDetected,
    PartContribution,
    RecordIds,
    RecordLate,
    RecordRejected,
    SeriesEvicted,
    WindowSpan,
    event_id,
)
from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import Level, Outcomes, Reason
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.record import Float64Matrix, Int64Column, RecordBatch, Stream
from pynomaly.domain.series import Eviction, SweepReport
from pynomaly.domain.windows import ClosedWindows

KeyOf = Callable[[int], str]

#: The enumeration's own look-up takes ten times as long.
_REASONS: Final = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an anomaly stands: series, causing record, event time, and the window if it is one."""

    slot: int
    offset: int
    time_ns: int
    window: WindowSpan | None = None

    @property
    def identity(self) -> tuple[str, int]:
        """What tells it from every other anomaly of the series, with the word for what that is."""
        if self.window is None:
            return "anomaly", self.offset
        return f"window-anomaly-{self.window.end_ns - self.window.start_ns}", self.window.start_ns


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the events of one stream.

    Parameters
    ----------
    flow, stream
        Names that every event carries.
    fields
        Names of the columns of records.
    plan
        Tells the names of the scored fields and of the parts.
    key_of
        Slot -> series key.
    """

    flow: str
    stream: Stream
    fields: tuple[str, ...]
    plan: ScoringPlan
    key_of: KeyOf

    def anomalous_records(self, batch: RecordBatch, slot: Int64Column, outcomes: Outcomes) -> Iterator[AnomalyDetected]:
        """Yield an event for each record that alerted."""
        for row in np.flatnonzero(outcomes.reason == Reason.ALERTED):
            place = _Place(int(slot[row]), int(batch.offset[row]), int(batch.time_ns[row]))
            yield self._anomaly(int(row), place, batch.values, outcomes, _origin(batch, int(row)))

    def anomalous_windows(self, closed: ClosedWindows, outcomes: Outcomes) -> Iterator[AnomalyDetected]:
        """Yield an event for each window that alerted; its offset is that of the record that closed it.

        Its id is made of the window itself, which is the same whichever record closes it.
        """
        for row in np.flatnonzero(outcomes.reason == Reason.ALERTED):
            span = WindowSpan(int(closed.start_ns[row]), int(closed.end_ns[row]))
            place = _Place(int(closed.slot[row]), int(closed.closed_by_offset[row]), span.end_ns, span)
            yield self._anomaly(int(row), place, closed.values, outcomes)

    def rejected(self, batch: RecordBatch, rows: Int64Column, outcomes: Outcomes) -> Iterator[RecordRejected]:
        """Yield an event for each of the rows, which were rejected, by the decoder or later."""
        if len(rows) == 0:
            return
        ids = RecordIds("rejected", self.flow, self.stream)
        reasons = map(_REASONS.__getitem__, outcomes.reason[rows].tolist())
        for row, offset, reason in zip(rows.tolist(), batch.offset[rows].tolist(), reasons, strict=True):
            yield RecordRejected(
                ids.of(offset), self.flow, self.stream, offset, reason, batch.raw(row), _origin(batch, row)
            )

    def late(self, batch: RecordBatch, slot: Int64Column, outcomes: Outcomes) -> Iterator[RecordLate]:
        """Yield an event for each record that came too late for every window."""
        for row in np.flatnonzero(outcomes.reason == Reason.BEHIND_WATERMARK):
            offset = int(batch.offset[row])
            yield RecordLate(
                event_id("late", self.flow, self.stream, offset),
                self.flow,
                self.stream,
                offset,
                self.key_of(int(slot[row])),
                int(batch.time_ns[row]),
                dict(zip(self.fields, map(float, batch.values[row]), strict=True)),
            )

    def evicted(self, batch: RecordBatch, reports: Iterable[SweepReport]) -> Iterator[SeriesEvicted]:
        """Yield an event for each sweep that had something to tell."""
        for report in reports:
            offset = int(batch.offset[report.row])
            yield SeriesEvicted(
                event_id("series-evicted", self.flow, self.stream, offset),
                self.flow,
                self.stream,
                offset,
                report.evicted[Eviction.EXPIRED],
                report.evicted[Eviction.DISPLACED],
                report.live,
                report.examples,
            )

    def _anomaly(
        self, row: int, place: _Place, values: Float64Matrix, outcomes: Outcomes, origin: Origin | None = None
    ) -> AnomalyDetected:
        level, series = Level(int(outcomes.level[row])), self.key_of(place.slot)
        kind, cause = place.identity
        names = self.plan.fields
        return AnomalyDetected(
            id=event_id(kind, self.flow, self.stream, cause, series, level.label),
            flow=self.flow,
            stream=self.stream,
            offset=place.offset,
            series=series,
            time_ns=place.time_ns,
            level=level,
            evidence=float(outcomes.evidence[row]),
            bar=float(outcomes.bar[row]),
            values={name: float(values[row, column]) for column, name in enumerate(names)},
            expected={name: known(outcomes.expected[row, column]) for column, name in enumerate(names)},
            parts=tuple(self._contributions(row, outcomes)),
            window=place.window,
            origin=origin,
        )

    def _contributions(self, row: int, outcomes: Outcomes) -> Iterator[PartContribution]:
        for k, part in enumerate(self.plan.parts):
            yield PartContribution(
                part=part.name,
                fields=tuple(self.plan.fields[column] for column in part.fields),
                score=known(outcomes.score[row, k]),
                severity=known(outcomes.severity[row, k]),
                contribution=float(outcomes.contribution[row, k]),
            )


def _origin(batch: RecordBatch, row: int) -> Origin | None:
    return None if batch.origins is None else batch.origins.at(row)


def known(number: float) -> float | None:
    """Return a number of a column as the outside sees it: None for NaN."""
    return None if isnan(number) else float(number)


def strongest(contribution: NDArray[np.float64]) -> list[int]:
    """Return the parts that added to the evidence of a record, those that added most first."""
    order: list[int] = np.argsort(-contribution, kind="stable").tolist()
    return [part for part in order if contribution[part] > 0.0]
