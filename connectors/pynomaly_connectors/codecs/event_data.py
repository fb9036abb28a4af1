"""The data of CloudEvents: their shape, which all formats share, and how domain events become them.

The shapes are contracts with consumers. A field may be added at the end of its shape; none may be removed or moved, and
none may change its type: Protobuf counts fields, and a registry refuses what readers of yesterday cannot read.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads those of `typing` from Python 3.12 on only

from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    PartContribution,
    RecordLate,
    SeriesEvicted,
)
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.iso8601 import rfc3339

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


@with_config(_DOCUMENTED)
class StreamPlace(TypedDict):
    """A place in the input."""

    name: str
    """Topic, or path as the flow names it."""
    partition: int
    """Its partition; 0 where the input has none."""
    offset: int
    """Offset of the record; of a window that of the record that closed it."""


@with_config(_DOCUMENTED)
class PartVerdict(TypedDict):
    """What one part of the flow, a detector on some fields, said."""

    part: str
    """Name of the part."""
    fields: list[str]
    """Fields that it looked at."""
    score: float | None
    """The detector's own number; none while it warmed up or is left out."""
    severity: float | None
    """-log10 of the tail probability of that score in the series' own past; none while unknown."""
    contribution: float
    """What it added to the evidence."""


@with_config(_DOCUMENTED)
class TimeSpan(TypedDict):
    """A half-open span of event time."""

    start: Moment
    """First moment."""
    end: Moment
    """First moment after it."""


@with_config(_DOCUMENTED)
class AnomalyDetectedData(TypedDict):
    """A record, or a window, alerted at a level."""

    series: str
    """Key of the series."""
    time: Moment
    """Event time."""
    level: str
    """watch, warning or critical."""
    evidence: float
    """Severities of all parts, combined."""
    bar: float
    """What the evidence had to pass."""
    values: dict[str, float]
    """What was seen, by field."""
    expected: dict[str, float | None]
    """What was expected, by field; none where no detector expects a value."""
    parts: list[PartVerdict]
    """What each part said, in the order of the flow."""
    stream: StreamPlace
    """Where the record stands."""
    window: TimeSpan | None
    """The span that an aggregate covers; none for single records."""
    field_contributions: dict[str, float] | None
    """What each field added to the evidence; fields that a part sees only together are joined by +."""


@with_config(_DOCUMENTED)
class ModelRefittedData(TypedDict):
    """A newly fitted model took over."""

    group: str
    """The series, or the stream and partition for a model of all its series."""
    part: str
    """Name of the part."""
    fit_number: int
    """Which fit of the group it is."""
    model_hash: str
    """Hash of the model's content."""
    records: int
    """Records that it was fitted on."""
    stream: StreamPlace
    """Record at which it took over."""


@with_config(_DOCUMENTED)
class ModelRefitFailedData(TypedDict):
    """A scheduled fit failed; the model before it stays."""

    group: str
    """The series, or the stream and partition for a model of all its series."""
    part: str
    """Name of the part."""
    fit_number: int
    """Which fit of the group it is."""
    error: str
    """What went wrong."""
    stream: StreamPlace
    """Record at which the model would have taken over."""


@with_config(_DOCUMENTED)
class RecordLateData(TypedDict):
    """A record came when every window that should hold it had closed."""

    series: str
    """Key of the series."""
    time: Moment
    """Event time."""
    values: dict[str, float]
    """What it held, by field."""
    stream: StreamPlace
    """Where it stands."""


@with_config(_DOCUMENTED)
class SeriesEvictedData(TypedDict):
    """Series were forgotten; their keys begin anew if they come again."""

    expired: int
    """How many were idle for too long, since the last event of this kind."""
    displaced: int
    """How many made room for new ones."""
    live: int
    """Series that the input partition holds now."""
    examples: list[str]
    """Keys of some of them."""
    stream: StreamPlace
    """Record before which this was told."""


@with_config(_DOCUMENTED)
class DetectorStatusChangedData(TypedDict):
    """A detector of another library failed on too many records in a row and is left out, or answers again."""

    part: str
    """Name of the part."""
    status: str
    """degraded or working."""
    error: str
    """Its last failure; empty where it answers again."""
    stream: StreamPlace
    """Record of the last failure, or of the first answer."""


#: Shapes by event, in the order in which Protobuf counts its messages: a new one comes last.
SHAPES: Final[dict[type[Event], type]] = {
    AnomalyDetected: AnomalyDetectedData,
    ModelRefitted: ModelRefittedData,
    ModelRefitFailed: ModelRefitFailedData,
    RecordLate: RecordLateData,
    SeriesEvicted: SeriesEvictedData,
    DetectorStatusChanged: DetectorStatusChangedData,
}


def anomaly_detected(event: AnomalyDetected) -> AnomalyDetectedData:
    """Return the data of an alert."""
    window = event.window
    return {
        "bar": event.bar,
        "evidence": event.evidence,
        "expected": event.expected,
        "field_contributions": event.field_contributions,
        "level": event.level.label,
        "parts": [_part(part) for part in event.parts],
        "series": event.series,
        "stream": _place(event.stream, event.offset),
        "time": rfc3339(event.time_ns),
        "values": event.values,
        "window": None if window is None else {"end": rfc3339(window.end_ns), "start": rfc3339(window.start_ns)},
    }


def record_late(event: RecordLate) -> RecordLateData:
    """Return the data of a late record."""
    return {
        "series": event.series,
        "stream": _place(event.stream, event.offset),
        "time": rfc3339(event.time_ns),
        "values": event.values,
    }


def model_refitted(event: ModelRefitted) -> ModelRefittedData:
    """Return the data of a model that took over."""
    return {
        "fit_number": event.fit_number,
        "group": event.group,
        "model_hash": event.model_hash,
        "part": event.part,
        "records": event.records,
        "stream": _place(event.stream, event.offset),
    }


def model_refit_failed(event: ModelRefitFailed) -> ModelRefitFailedData:
    """Return the data of a fit that failed."""
    return {
        "error": event.error,
        "fit_number": event.fit_number,
        "group": event.group,
        "part": event.part,
        "stream": _place(event.stream, event.offset),
    }


def series_evicted(event: SeriesEvicted) -> SeriesEvictedData:
    """Return the data of series that were forgotten."""
    return {
        "displaced": event.displaced,
        "examples": list(event.examples),
        "expired": event.expired,
        "live": event.live,
        "stream": _place(event.stream, event.offset),
    }


def detector_status_changed(event: DetectorStatusChanged) -> DetectorStatusChangedData:
    """Return the data of a detector that is left out, or answers again."""
    return {
        "error": event.error,
        "part": event.part,
        "status": event.status,
        "stream": _place(event.stream, event.offset),
    }


def _part(part: PartContribution) -> PartVerdict:
    return {
        "contribution": part.contribution,
        "fields": list(part.fields),
        "part": part.part,
        "score": part.score,
        "severity": part.severity,
    }


def _place(stream: Stream, offset: int) -> StreamPlace:
    return {"name": stream.name, "offset": offset, "partition": stream.partition}
