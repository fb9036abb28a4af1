"""How records of an input that is not keyed by series come together."""

from __future__ import annotations

from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.application.spec.section import Name, Seconds, Section


class RepartitionSpec(Section):
    """The topic, on the cluster of the input, into which records are copied by series; for `keying: repartition`."""

    topic: Name | None = None
    """Its name; by default that of the input and `.by-series`."""
    delivery_timeout_s: Seconds = 300.0
    """How long its brokers may be away before the flow stops [s]."""


class RoutedRecord(RecordSpec):
    """Stands for a record of which only the series is read. Not for flow files."""

    values: tuple[Name, ...] = ()


def routed_record(record: RecordSpec) -> RecordSpec:
    """Return how the series of a record is read: by the decoder of its format, which reads nothing else."""
    return RoutedRecord(
        time=NoTime(field=next(iter(record.series), "time")),
        series=record.series,
        series_from=record.series_from,
        headers=tuple(name for name in record.headers if name in record.series),
        max_bytes=record.max_bytes,
    )
