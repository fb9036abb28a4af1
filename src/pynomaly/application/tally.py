"""What a run did, counted for its last words; and how several listeners hear of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar

from pynomaly.application.telemetry import BatchProcessed, NoTelemetry, Telemetry
from pynomaly.domain.event import DetectorStatus
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Eviction


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of a run.

    Parameters
    ----------
    by_reason
        Records by reason.
    windows
        Closed windows by reason; empty in a flow without windows.
    alerts
        Alerts by level.
    delivered
        Events durable at each output, by its name.
    series
        Series held in memory at the end, over all streams.
    newest_time_ns
        Latest event time of an accepted record; None if there was none.
    skipped
        Offsets that were gone before they were read, by stream; empty where nothing was lost.
    evicted
        Series that were forgotten, by why.
    """

    by_reason: dict[Reason, int]
    windows: dict[Reason, int]
    alerts: dict[Level, int]
    delivered: dict[str, int]
    series: int
    newest_time_ns: int | None
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    evicted: dict[Eviction, int] = field(default_factory=dict[Eviction, int])

    @property
    def records(self) -> int:
        """Records judged, whatever became of them."""
        return sum(self.by_reason.values())

    @property
    def alert_count(self) -> int:
        """Alerts of all levels."""
        return sum(self.alerts.values())

    def without_series(self) -> Totals:
        """Return the counts of a process that is gone: its series are gone with it."""
        return replace(self, series=0)


def total_of(counts: Iterable[Totals]) -> Totals:
    """Return the counts of several processes that share a flow, or of several runs of one process, as one."""
    found = list(counts)
    return Totals(
        by_reason=_sums(each.by_reason for each in found),
        windows=_sums(each.windows for each in found),
        alerts=_sums(each.alerts for each in found),
        delivered=_sums(each.delivered for each in found),
        series=sum(each.series for each in found),
        newest_time_ns=max((each.newest_time_ns for each in found if each.newest_time_ns is not None), default=None),
        skipped=_sums(each.skipped for each in found),
        evicted=_sums(each.evicted for each in found),
    )


KeyT = TypeVar("KeyT", Reason, Level, Eviction, str)


def _sums(counts: Iterable[Mapping[KeyT, int]]) -> dict[KeyT, int]:
    sums: Counter[KeyT] = Counter()
    for each in counts:
        sums.update(each)
    return dict(sorted(sums.items()))


class Tally(NoTelemetry):
    """Counts what one process did. A batch costs some us."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_reason: Counter[Reason] = Counter()
        self._windows: Counter[Reason] = Counter()
        self._alerts: Counter[Level] = Counter()
        self._delivered: Counter[str] = Counter()
        self._evicted: Counter[Eviction] = Counter()
        self._series: dict[Stream, int] = {}
        self._skipped: Counter[str] = Counter()
        self._newest_time_ns: int | None = None

    def batch_processed(self, batch: BatchProcessed) -> None:
        """Count records, windows and alerts."""
        with self._lock:
            self._by_reason.update(batch.by_reason)
            self._windows.update(batch.windows)
            self._alerts.update(batch.alerts)
            self._evicted.update(batch.evicted)
            self._newest_time_ns = _newer(self._newest_time_ns, batch.newest_time_ns)

    def records_skipped(self, stream: Stream, count: int) -> None:
        """Count what was lost."""
        with self._lock:
            self._skipped[str(stream)] += count

    def series_counted(self, stream: Stream, count: int) -> None:
        """Remember the number of series of a stream."""
        with self._lock:
            self._series[stream] = count

    def events_delivered(self, output: str, count: int, seconds: float) -> None:  # noqa: ARG002 - the port's
        """Count events that are durable."""
        with self._lock:
            self._delivered[output] += count

    def totals(self) -> Totals:
        """Return the counts up to now, each kind in the order of its codes."""
        with self._lock:
            return Totals(
                by_reason=dict(sorted(self._by_reason.items())),
                windows=dict(sorted(self._windows.items())),
                alerts=dict(sorted(self._alerts.items())),
                delivered=dict(self._delivered),
                series=sum(self._series.values()),
                newest_time_ns=self._newest_time_ns,
                skipped=dict(sorted(self._skipped.items())),
                evicted={cause: count for cause, count in self._evicted.items() if count},
            )


def _newer(one: int | None, other: int | None) -> int | None:
    return max((time_ns for time_ns in (one, other) if time_ns is not None), default=None)


class Tee:
    """Tells several listeners the same."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = listeners

    def input_polled(self) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.input_polled()

    def batch_processed(self, batch: BatchProcessed) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.batch_processed(batch)

    def lag_measured(self, stream: Stream, records: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.lag_measured(stream, records)

    def records_skipped(self, stream: Stream, count: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.records_skipped(stream, count)

    def input_answers(self, stream: Stream, outage: str | None) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.input_answers(stream, outage)

    def output_answers(self, output: str, outage: str | None) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.output_answers(output, outage)

    def loss_foreseen(self, stream: Stream, seconds: float) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.loss_foreseen(stream, seconds)

    def series_counted(self, stream: Stream, count: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.series_counted(stream, count)

    def checkpoint_written(self, stream: Stream, seconds: float, size_bytes: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.checkpoint_written(stream, seconds, size_bytes)

    def checkpoint_interval_chosen(self, seconds: float) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.checkpoint_interval_chosen(seconds)

    def checkpoint_stalled(self, seconds: float) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.checkpoint_stalled(seconds)

    def events_delivered(self, output: str, count: int, seconds: float) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.events_delivered(output, count, seconds)

    def delivery_failed(self, output: str, count: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.delivery_failed(output, count)

    def model_refitted(self, part: str) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.model_refitted(part)

    def model_refit_failed(self, part: str) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.model_refit_failed(part)

    def detector_status_changed(self, part: str, status: DetectorStatus) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.detector_status_changed(part, status)
