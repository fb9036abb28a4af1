"""What a flow will need, found by letting it judge a history: memory, checkpoints, processor time, and alerts a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from math import nan
from time import process_time
from typing import Final

import numpy as np

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.kernel_loading import load_kernels
from pynomaly.application.replay import batches
from pynomaly.application.spec.explain import Topic, bytes_per_series
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Level

_DAY_NS: Final = 86_400_000_000_000
_WEEK_NS: Final = 7 * _DAY_NS


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a history tells of a flow.

    Parameters
    ----------
    records, rejected
        Records read, and those of them that could not be used.
    streams, series
        Files or partitions, and the series in them that the flow still knows at the end.
    bytes_per_series
        Memory of one, without models of other libraries [bytes].
    checkpoint_bytes
        State of all streams at the end, as a checkpoint saves it [bytes].
    alerts, days
        Alerts by level in the last week, and how much of it the history holds; 0 without records [d].
    cpu_s
        Processor time that reading and judging took, kernels loaded [s].
    stopped
        Why the flow would stop before the end; None: it would not.
    """

    records: int
    rejected: int
    streams: int
    series: int
    bytes_per_series: int
    checkpoint_bytes: int
    alerts: Mapping[Level, int]
    days: float
    cpu_s: float
    stopped: str | None

    @property
    def series_bytes(self) -> int:
        """Memory of all series [bytes]."""
        return self.series * self.bytes_per_series

    @property
    def records_per_cpu_s(self) -> float:
        """How many records a second of one processor takes; NaN where there are none."""
        return self.records / self.cpu_s if self.records and self.cpu_s > 0 else nan

    def alerts_per_day(self, level: Level) -> float:
        """Return the alerts of a level a day of the last week; NaN where no time passes."""
        return self.alerts.get(level, 0) / self.days if self.days > 0 else nan


@dataclass(slots=True)
class _Count:
    records: int = 0
    rejected: int = 0
    series: int = 0
    checkpoint_bytes: int = 0
    cpu_s: float = 0.0
    stopped: str | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    alerts: list[tuple[int, Level]] = field(default_factory=list[tuple[int, Level]])

    def take(self, result: DetectionResult) -> None:
        rejected = result.outcomes.rejected
        self.records += len(result.batch)
        self.rejected += len(rejected)
        times = np.delete(result.batch.time_ns, rejected)
        if len(times):
            first, last = int(times.min()), int(times.max())
            self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
            self.last_ns = last if self.last_ns is None else max(self.last_ns, last)
        found = (event for event in result.events if isinstance(event, AnomalyDetected))
        self.alerts.extend((alert.time_ns, alert.level) for alert in found)

    @property
    def last_week(self) -> tuple[Counter[Level], float]:
        """Alerts of the last seven days by level, and how many of these days there are."""
        if self.first_ns is None or self.last_ns is None:
            return Counter(), 0.0
        begin = max(self.last_ns - _WEEK_NS, self.first_ns)
        return Counter(level for time_ns, level in self.alerts if time_ns >= begin), (self.last_ns - begin) / _DAY_NS


def forecast(flow: FlowSpec) -> Forecast:
    """Let a flow judge all that its input holds now, and count; its outputs and its state are not touched.

    Raises
    ------
    PynomalyError
        When the input cannot be read.
    """
    services = services_of(flow)
    load_kernels(services.engine_for, len(services.plan.fields))
    count, partitions = _Count(), services.source.partitions()
    for partition in partitions:
        _judge(services, partition, count)
        if count.stopped is not None:
            break
    alerts, days = count.last_week
    return Forecast(
        count.records,
        count.rejected,
        len(partitions),
        count.series,
        bytes_per_series(flow),
        count.checkpoint_bytes,
        alerts,
        days,
        count.cpu_s,
        count.stopped,
    )


def _judge(services: Services, partition: str, count: _Count) -> None:
    """Judge and count one partition."""
    begun_s = process_time()
    with (
        closing(services.source.open(partition, None, bounded=True)) as reader,
        closing(services.engine_for(reader.stream)) as engine,
    ):
        for batch in batches(reader):
            result = engine.process(batch)
            count.take(result)
            if result.stopped is not None:
                count.stopped = str(result.stopped)
                break
        count.cpu_s += process_time() - begun_s
        count.series += engine.series_count
        if count.stopped is None:
            count.checkpoint_bytes += len(engine.snapshot())


def forecast_topic(found: Forecast, flow: FlowSpec, title: str) -> Topic:
    """Say it in plain sentences."""
    rate = "" if not found.records else f": {found.records_per_cpu_s:,.0f} records a CPU second, reading included"
    where = f"{found.series:,} series in {found.streams:,} input partitions or files"
    sentences = [
        f"{where}, of {found.bytes_per_series:,} bytes each: {bytes_text(found.series_bytes)} of memory.",
        f"A checkpoint of them takes {bytes_text(found.checkpoint_bytes)}.",
        f"{found.records:,} records took {found.cpu_s:.2f} s of this machine's processor{rate}.",
    ]
    if found.days > 0:
        alerts = ", ".join(f"{level.label} {found.alerts_per_day(level):.3g}" for level in flow.levels)
        sentences.append(f"Alerts a day over its last {found.days:.3g} days: {alerts}.")
    if found.rejected:
        sentences.append(f"{found.rejected:,} records would be rejected.")
    if found.stopped is not None:
        sentences.append(f"The flow would stop before the end: {found.stopped}")
    return Topic(title, tuple(sentences))


def bytes_text(size: int) -> str:
    """Return a size in the unit that people would use.

    Examples
    --------
    >>> bytes_text(999), bytes_text(13_112), bytes_text(4_200_000_000)
    ('999 bytes', '13.1 kB', '4.2 GB')
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return f"{size} bytes"
