"""Outcomes to domain events: the few rows worth an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan

import numpy as np

from pynomaly.domain.event import AnomalyDetected, PartContribution, RecordLate, RecordRejected, WindowSpan, event_id
from pynomaly.domain.outcome import Level, Outcome, Outcomes, Reason
from pynomaly.domain.plan import ScoringPlan
from pynomaly.domain.record import Float64Matrix, Int64Column, RecordBatch, Stream

KeyOf = Callable[[int], str]


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
            offset, time_ns = int(batch.offset[row]), int(batch.time_ns[row])
            yield self._anomaly(int(row), int(slot[row]), offset, time_ns, batch.values, outcomes, None)

    def anomalous_windows(
        self, slot: Int64Column, start_ns: Int64Column, end_ns: Int64Column, values: Float64Matrix, outcomes: Outcomes
    ) -> Iterator[AnomalyDetected]:
        """Yield an event for each window that alerted; its offset is the window's start."""
        for row in np.flatnonzero(outcomes.reason == Reason.ALERTED):
            span = WindowSpan(int(start_ns[row]), int(end_ns[row]))
            yield self._anomaly(int(row), int(slot[row]), span.start_ns, span.end_ns, values, outcomes, span)

    def rejected(self, batch: RecordBatch, outcomes: Outcomes) -> Iterator[RecordRejected]:
        """Yield an event for each record that was rejected, by the decoder or later."""
        for row in np.flatnonzero(outcomes.outcome == Outcome.REJECTED).tolist():
            offset, reason = int(batch.offset[row]), Reason(int(outcomes.reason[row]))
            identity = event_id("rejected", self.flow, self.stream, offset)
            yield RecordRejected(identity, self.flow, self.stream, offset, reason, batch.raw(row))

    def late(self, batch: RecordBatch, slot: Int64Column, outcomes: Outcomes) -> Iterator[RecordLate]:
        """Yield an event for each record behind the watermark."""
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

    def _anomaly(
        self,
        row: int,
        slot: int,
        offset: int,
        time_ns: int,
        values: Float64Matrix,
        outcomes: Outcomes,
        window: WindowSpan | None,
    ) -> AnomalyDetected:
        level, series = Level(int(outcomes.level[row])), self.key_of(slot)
        kind = "anomaly" if window is None else f"window-anomaly-{window.end_ns - window.start_ns}"
        names = self.plan.fields
        return AnomalyDetected(
            id=event_id(kind, self.flow, self.stream, offset, series, level.label),
            flow=self.flow,
            stream=self.stream,
            offset=offset,
            series=series,
            time_ns=time_ns,
            level=level,
            evidence=float(outcomes.evidence[row]),
            bar=float(outcomes.bar[row]),
            values={name: float(values[row, column]) for column, name in enumerate(names)},
            expected={name: known(outcomes.expected[row, column]) for column, name in enumerate(names)},
            parts=tuple(self._contributions(row, outcomes)),
            window=window,
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


def known(number: float) -> float | None:
    """Return a number of a column as the outside sees it: None for NaN."""
    return None if isnan(number) else float(number)
