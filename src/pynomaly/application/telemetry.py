"""What the engine and the runner tell an operator: once a batch or more rarely, never once a record.

Telemetry only listens. Nothing it does may reach a decision, and leaving it out changes no alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pynomaly.domain.event import DetectorStatus
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Eviction


@dataclass(frozen=True, slots=True)
class BatchProcessed:
    """One batch of one stream was judged.

    Parameters
    ----------
    stream
        Where its records came from.
    seconds
        Wall time from the decoded batch to its events [s].
    by_reason
        Records by reason; the counts sum to the records of the batch.
    alerts
        Alerts emitted, by level.
    newest_time_ns
        Latest event time among its accepted records, UTC epoch nanoseconds; None if there was none.
    windows
        Windows that closed in this batch, by reason; empty in a flow without windows.
    evicted
        Series that the stream forgot, by why.
    """

    stream: Stream
    seconds: float
    by_reason: Mapping[Reason, int]
    alerts: Mapping[Level, int] = field(default_factory=dict[Level, int])
    newest_time_ns: int | None = None
    windows: Mapping[Reason, int] = field(default_factory=dict[Reason, int])
    evicted: Mapping[Eviction, int] = field(default_factory=dict[Eviction, int])


class Telemetry(Protocol):
    """Someone who wants to know how a flow is doing.

    Every method returns at once, raises nothing and may be called from any thread.
    """

    def input_polled(self) -> None:
        """Take note that the loop came round: an input was asked for records, whether or not it had any."""
        ...

    def batch_processed(self, batch: BatchProcessed) -> None:
        """Take note of a judged batch."""
        ...

    def lag_measured(self, stream: Stream, records: int) -> None:
        """Take note of how many records of a stream wait to be read."""
        ...

    def records_skipped(self, stream: Stream, count: int) -> None:
        """Take note of records that were gone before they were read, and that the flow has passed over."""
        ...

    def input_answers(self, stream: Stream, outage: str | None) -> None:
        """Take note that a stream was opened, or that what keeps its input from answering has changed."""
        ...

    def output_answers(self, output: str, outage: str | None) -> None:
        """Take note that what keeps an output from answering has changed."""
        ...

    def loss_foreseen(self, stream: Stream, seconds: float) -> None:
        """Take note of the time until records of a stream will be gone before they are read [s]; infinite if never."""
        ...

    def series_counted(self, stream: Stream, count: int) -> None:
        """Take note of how many series a stream holds in memory."""
        ...

    def checkpoint_written(self, stream: Stream, seconds: float, size_bytes: int) -> None:
        """Take note of a snapshot: the time to make it [s] and its size."""
        ...

    def checkpoint_interval_chosen(self, seconds: float) -> None:
        """Take note of the time from one checkpoint to the next from now on [s]."""
        ...

    def checkpoint_stalled(self, seconds: float) -> None:
        """Take note of how long reading stood still around a checkpoint [s]."""
        ...

    def events_delivered(self, output: str, count: int, seconds: float) -> None:
        """Take note of events that are durable at an output, and how long that was waited for [s]."""
        ...

    def delivery_failed(self, output: str, count: int) -> None:
        """Take note of events that an output has not confirmed, and never will."""
        ...

    def model_refitted(self, part: str) -> None:
        """Take note that a newly fitted model took over."""
        ...

    def model_refit_failed(self, part: str) -> None:
        """Take note that a scheduled fit failed and the model before it stays."""
        ...

    def detector_status_changed(self, part: str, status: DetectorStatus) -> None:
        """Take note that a detector is left out, or answers again."""
        ...


class NoTelemetry:
    """Tells nobody."""

    def input_polled(self) -> None:
        """Do nothing."""

    def batch_processed(self, batch: BatchProcessed) -> None:
        """Do nothing."""

    def lag_measured(self, stream: Stream, records: int) -> None:
        """Do nothing."""

    def records_skipped(self, stream: Stream, count: int) -> None:
        """Do nothing."""

    def input_answers(self, stream: Stream, outage: str | None) -> None:
        """Do nothing."""

    def output_answers(self, output: str, outage: str | None) -> None:
        """Do nothing."""

    def loss_foreseen(self, stream: Stream, seconds: float) -> None:
        """Do nothing."""

    def series_counted(self, stream: Stream, count: int) -> None:
        """Do nothing."""

    def checkpoint_written(self, stream: Stream, seconds: float, size_bytes: int) -> None:
        """Do nothing."""

    def checkpoint_interval_chosen(self, seconds: float) -> None:
        """Do nothing."""

    def checkpoint_stalled(self, seconds: float) -> None:
        """Do nothing."""

    def events_delivered(self, output: str, count: int, seconds: float) -> None:
        """Do nothing."""

    def delivery_failed(self, output: str, count: int) -> None:
        """Do nothing."""

    def model_refitted(self, part: str) -> None:
        """Do nothing."""

    def model_refit_failed(self, part: str) -> None:
        """Do nothing."""

    def detector_status_changed(self, part: str, status: DetectorStatus) -> None:
        """Do nothing."""
