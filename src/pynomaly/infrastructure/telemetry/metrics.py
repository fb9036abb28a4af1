"""Telemetry as Prometheus metrics, exactly those of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from pynomaly.application.telemetry import BatchProcessed
from pynomaly.domain.event import DetectorStatus
from pynomaly.domain.outcome import Level, Outcome, Reason
from pynomaly.domain.record import Stream
from pynomaly.domain.series import Eviction
from pynomaly.infrastructure.telemetry import catalogue
from pynomaly.infrastructure.telemetry.catalogue import MAX_STREAM_LABELS, OTHER_STREAMS, Metric
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.readiness import Readiness

_NANOSECONDS = 1e9
_OF_RECORDS = tuple(reason for reason in Reason if reason is not Reason.ACCEPTED)
_JUDGED = (Outcome.NORMAL, Outcome.ANOMALOUS, Outcome.SUPPRESSED, Outcome.WARMING)
_OF_WINDOWS = tuple(reason for reason in _OF_RECORDS if reason.outcome in _JUDGED)
_LEVELS: tuple[Level, ...] = tuple(level for level in Level if level is not Level.NONE)


class PrometheusTelemetry:
    """Counts for Prometheus. A batch costs about 10 us.

    Every label value that is known at start exists from the start, at 0: Prometheus cannot see an increase
    from nothing to one.

    Parameters
    ----------
    flow
        Name of the flow.
    registry
        Where the metrics live; one registry holds one flow.
    version
        Version of this program.
    heartbeat
        Gets a beat whenever the loop comes round.
    outputs
        Names of the flow's outputs.
    refitted_parts
        Parts whose models are fitted on a schedule.
    adapted_parts
        Parts of other libraries, those among them.
    """

    def __init__(
        self,
        flow: str,
        registry: CollectorRegistry,
        *,
        version: str,
        heartbeat: Heartbeat,
        outputs: Iterable[str] = (),
        refitted_parts: Iterable[str] = (),
        adapted_parts: Iterable[str] = (),
    ) -> None:
        # Creation times would double the number of time series and say no more than process_start_time_seconds.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's one function without a type
        ProcessCollector(registry=registry)
        _gauge(catalogue.BUILD_INFO, registry).labels(flow, version).set(1)
        self._heartbeat = heartbeat
        self._readiness = Readiness(heartbeat)
        self._records = _Records(flow, registry)
        self._streams = _Streams(flow, registry)
        self._outputs = _Outputs(flow, registry, outputs)
        self._checkpoint_seconds = _histogram(catalogue.CHECKPOINT_SECONDS, registry).labels(flow)
        self._checkpoint_stall = _histogram(catalogue.CHECKPOINT_STALL, registry).labels(flow)
        self._checkpoint_interval = _gauge(catalogue.CHECKPOINT_INTERVAL, registry).labels(flow)
        self._refits = _counter(catalogue.REFITS, registry)
        self._flow = flow
        for part in refitted_parts:
            self._refits.labels(flow, part, "adopted")
            self._refits.labels(flow, part, "failed")
        self._status_changes = _counter(catalogue.DETECTOR_STATUS, registry)
        for part in adapted_parts:
            self._status_changes.labels(flow, part, "degraded")
            self._status_changes.labels(flow, part, "working")

    def hindrance(self) -> str | None:
        """Say what keeps the flow from working right now, or None while nothing does; see `Readiness`."""
        return self._readiness.problem()

    def input_polled(self) -> None:
        """Beat."""
        self._heartbeat.beat()

    def batch_processed(self, batch: BatchProcessed) -> None:
        """Count records by stream and reason, alerts by level, windows by reason; time the batch."""
        records = sum(batch.by_reason.values())
        self._records.count(batch, records)
        stream = self._streams.of(batch.stream)
        stream.records.inc(records)
        if batch.newest_time_ns is not None:
            stream.advance(batch.newest_time_ns / _NANOSECONDS)

    def lag_measured(self, stream: Stream, records: int) -> None:
        """Set the lag of a stream."""
        _set(self._streams.of(stream).lag, records)

    def records_skipped(self, stream: Stream, count: int) -> None:
        """Count lost records of a stream."""
        self._streams.of(stream).skipped.inc(count)

    def input_answers(self, stream: Stream, outage: str | None) -> None:
        """Set whether the stream's input answers."""
        self._readiness.set(stream, outage)
        _set(self._streams.of(stream).up, outage is None)

    def output_answers(self, output: str, outage: str | None) -> None:
        """Keep it for the readiness; the metrics of an output are about what is delivered."""
        self._readiness.set_output(output, outage)

    def loss_foreseen(self, stream: Stream, seconds: float) -> None:
        """Set when records of a stream will be lost."""
        _set(self._streams.of(stream).lost_in, seconds)

    def series_counted(self, stream: Stream, count: int) -> None:
        """Set the number of series of a stream."""
        _set(self._streams.of(stream).series, count)

    def checkpoint_written(self, stream: Stream, seconds: float, size_bytes: int) -> None:
        """Time a snapshot and set its size."""
        self._checkpoint_seconds.observe(seconds)
        _set(self._streams.of(stream).checkpoint_bytes, size_bytes)

    def checkpoint_interval_chosen(self, seconds: float) -> None:
        """Set the interval."""
        self._checkpoint_interval.set(seconds)

    def checkpoint_stalled(self, seconds: float) -> None:
        """Time a stall."""
        self._checkpoint_stall.observe(seconds)

    def events_delivered(self, output: str, count: int, seconds: float) -> None:
        """Count delivered events and time the wait for them."""
        self._outputs.count(output, count, seconds)

    def delivery_failed(self, output: str, count: int) -> None:
        """Count events that were not delivered."""
        self._outputs.count_failed(output, count)

    def model_refitted(self, part: str) -> None:
        """Count an adopted fit."""
        self._refits.labels(self._flow, part, "adopted").inc()

    def model_refit_failed(self, part: str) -> None:
        """Count a failed fit."""
        self._refits.labels(self._flow, part, "failed").inc()

    def detector_status_changed(self, part: str, status: DetectorStatus) -> None:
        """Count a change."""
        self._status_changes.labels(self._flow, part, status).inc()


class _Records:
    """What is counted over all streams of a flow."""

    def __init__(self, flow: str, registry: CollectorRegistry) -> None:
        self._outcomes = _by_reason(catalogue.OUTCOMES, registry, flow, _OF_RECORDS)
        self._windows = _by_reason(catalogue.WINDOWS, registry, flow, _OF_WINDOWS)
        alerts = _counter(catalogue.ALERTS, registry)
        self._alerts: dict[Level, Counter] = {level: alerts.labels(flow, level.label) for level in _LEVELS}
        evictions = _counter(catalogue.EVICTIONS, registry)
        self._evictions = {cause: evictions.labels(flow, cause.label) for cause in Eviction}
        self._seconds = _histogram(catalogue.BATCH_SECONDS, registry).labels(flow)
        self._sizes = _histogram(catalogue.BATCH_RECORDS, registry).labels(flow)

    def count(self, batch: BatchProcessed, records: int) -> None:
        self._seconds.observe(batch.seconds)
        self._sizes.observe(records)
        for reason, count in batch.by_reason.items():
            self._outcomes[reason].inc(count)
        for level, count in batch.alerts.items():
            self._alerts[level].inc(count)
        for reason, count in batch.windows.items():
            self._windows[reason].inc(count)
        for cause, count in batch.evicted.items():
            self._evictions[cause].inc(count)


@dataclass(slots=True)
class _StreamMetrics:
    """The metrics of one stream; no gauges where several streams share a label."""

    records: Counter
    skipped: Counter
    up: Gauge | None = None
    lag: Gauge | None = None
    lost_in: Gauge | None = None
    series: Gauge | None = None
    checkpoint_bytes: Gauge | None = None
    last_event_time: Gauge | None = None
    latest_s: float = -math.inf

    def advance(self, time_s: float) -> None:
        """Move the last event time ahead; a late batch does not set it back."""
        if time_s > self.latest_s:
            self.latest_s = time_s
            _set(self.last_event_time, time_s)


class _Streams:
    """Metrics by stream, for a bounded number of streams."""

    def __init__(self, flow: str, registry: CollectorRegistry) -> None:
        self._flow = flow
        self._records = _counter(catalogue.RECORDS, registry)
        self._skipped = _counter(catalogue.SKIPPED, registry)
        self._up = _gauge(catalogue.INPUT_UP, registry)
        self._lag = _gauge(catalogue.LAG, registry)
        self._lost_in = _gauge(catalogue.RETENTION_ETA, registry)
        self._series = _gauge(catalogue.SERIES, registry)
        self._checkpoint_bytes = _gauge(catalogue.CHECKPOINT_BYTES, registry)
        self._last_event_time = _gauge(catalogue.LAST_EVENT_TIME, registry)
        self._known: dict[Stream, _StreamMetrics] = {}
        self._other: _StreamMetrics | None = None

    def of(self, stream: Stream) -> _StreamMetrics:
        known = self._known.get(stream)
        return known if known is not None else self._meet(stream)

    def _meet(self, stream: Stream) -> _StreamMetrics:
        if len(self._known) >= MAX_STREAM_LABELS:
            return self._shared()
        labels = self._flow, str(stream)
        self._known[stream] = met = _StreamMetrics(
            self._records.labels(*labels),
            self._skipped.labels(*labels),
            self._up.labels(*labels),
            self._lag.labels(*labels),
            self._lost_in.labels(*labels),
            self._series.labels(*labels),
            self._checkpoint_bytes.labels(*labels),
            self._last_event_time.labels(*labels),
        )
        _set(met.lost_in, math.inf)
        return met

    def _shared(self) -> _StreamMetrics:
        if self._other is None:
            labels = self._flow, OTHER_STREAMS
            self._other = _StreamMetrics(self._records.labels(*labels), self._skipped.labels(*labels))
        return self._other


class _Outputs:
    """Metrics by output; a flow names its outputs, so they are few."""

    def __init__(self, flow: str, registry: CollectorRegistry, outputs: Iterable[str]) -> None:
        self._flow = flow
        self._deliveries = _counter(catalogue.DELIVERIES, registry)
        self._failures = _counter(catalogue.DELIVERY_FAILURES, registry)
        self._seconds = _histogram(catalogue.DELIVERY_SECONDS, registry)
        for output in outputs:
            self._failures.labels(flow, output)
            self._deliveries.labels(flow, output)
            self._seconds.labels(flow, output)

    def count(self, output: str, count: int, seconds: float) -> None:
        self._deliveries.labels(self._flow, output).inc(count)
        self._seconds.labels(self._flow, output).observe(seconds)

    def count_failed(self, output: str, count: int) -> None:
        self._failures.labels(self._flow, output).inc(count)


def _by_reason(
    metric: Metric, registry: CollectorRegistry, flow: str, reasons: Iterable[Reason]
) -> dict[Reason, Counter]:
    counter = _counter(metric, registry)
    return {reason: counter.labels(flow, reason.outcome.label, reason.label) for reason in reasons}


def _set(gauge: Gauge | None, value: float) -> None:
    if gauge is not None:
        gauge.set(value)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)
