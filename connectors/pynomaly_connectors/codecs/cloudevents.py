"""Domain events as messages: CloudEvents 1.0 in Kafka's binary mode, dead letters by Kafka Connect's header names.

Equal events give equal bytes: the id is the event's own, the time is event time, keys are sorted, and nothing
of the process (clock, host, version) is in a message. A file holds the same events in structured mode.
See the CloudEvents specification 1.0.2 and its Kafka protocol binding, sections 3.2 and 3.3.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, assert_never
from urllib.parse import quote

import orjson

from pynomaly.application.ports import Message
from pynomaly.domain.error import BadRecordError
from pynomaly.domain.event import (
    AnomalyDetected,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    PartContribution,
    RecordLate,
    RecordRejected,
    SeriesEvicted,
)
from pynomaly.domain.outcome import EXPLANATIONS
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.kept_record import kept_record

JSON: Final = b"application/json"

#: `ce_type` of every event that is a CloudEvent; the version moves with the shape of the data.
TYPES: Final[dict[type[Event], str]] = {
    AnomalyDetected: "io.pynomaly.anomaly.detected.v1",
    RecordLate: "io.pynomaly.record.late.v1",
    ModelRefitted: "io.pynomaly.model.refitted.v1",
    ModelRefitFailed: "io.pynomaly.model.refit_failed.v1",
    SeriesEvicted: "io.pynomaly.series.evicted.v1",
}
_SECOND_NS = 1_000_000_000


def encode(event: Event) -> Message:
    """Encode an event; equal events give equal messages."""
    match event:
        case AnomalyDetected():
            return _cloud_event(event, event.series, event.time_ns, _anomaly(event))
        case RecordLate():
            return _cloud_event(event, event.series, event.time_ns, _late(event))
        case ModelRefitted():
            return _cloud_event(event, event.group, None, _refitted(event))
        case ModelRefitFailed():
            return _cloud_event(event, event.group, None, _refit_failed(event))
        case SeriesEvicted():
            return _cloud_event(event, str(event.stream), None, _evicted(event))
        case RecordRejected():
            return _dead_letter(event)
        case _:
            assert_never(event)


def structured(message: Message) -> bytes:
    """Return a CloudEvent from `encode` in structured mode: one JSON object on one line, for files."""
    attributes: dict[str, object] = {
        name.removeprefix("ce_"): value.decode() for name, value in message.headers if name.startswith("ce_")
    }
    attributes |= {"datacontenttype": JSON.decode(), "data": orjson.Fragment(message.value)}
    return _canonical(attributes)


def rfc3339(time_ns: int) -> str:
    """Return a moment in UTC with as many digits (0, 3, 6 or 9) as it needs.

    Examples
    --------
    >>> rfc3339(1_648_090_800_000_000_000)
    '2022-03-24T03:00:00Z'
    >>> rfc3339(1_648_090_800_250_000_000)
    '2022-03-24T03:00:00.250Z'
    """
    second, fraction = divmod(time_ns, _SECOND_NS)
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{digits}Z" if digits else f"{stamp}Z"


def _cloud_event(event: Event, subject: str, time_ns: int | None, data: dict[str, object]) -> Message:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": f"/pynomaly/flows/{quote(event.flow)}",
        "ce_type": TYPES[type(event)],
    }
    if subject:  # an attribute that is present must not be empty
        attributes |= {"ce_subject": subject, "ce_partitionkey": subject}
    if time_ns is not None:
        attributes["ce_time"] = rfc3339(time_ns)
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return Message(_canonical(data), subject.encode(), (*headers, ("content-type", JSON)))


def _anomaly(event: AnomalyDetected) -> dict[str, object]:
    window = event.window
    return {
        "bar": event.bar,
        "evidence": event.evidence,
        "expected": event.expected,
        "level": event.level.label,
        "parts": [_part(part) for part in event.parts],
        "series": event.series,
        "stream": _place(event.stream, event.offset),
        "time": rfc3339(event.time_ns),
        "values": event.values,
        "window": None if window is None else {"end": rfc3339(window.end_ns), "start": rfc3339(window.start_ns)},
    }


def _part(part: PartContribution) -> dict[str, object]:
    return {
        "contribution": part.contribution,
        "fields": part.fields,
        "part": part.part,
        "score": part.score,
        "severity": part.severity,
    }


def _late(event: RecordLate) -> dict[str, object]:
    return {
        "series": event.series,
        "stream": _place(event.stream, event.offset),
        "time": rfc3339(event.time_ns),
        "values": event.values,
    }


def _refitted(event: ModelRefitted) -> dict[str, object]:
    return {
        "fit_number": event.fit_number,
        "group": event.group,
        "model_hash": event.model_hash,
        "part": event.part,
        "records": event.records,
        "stream": _place(event.stream, event.offset),
    }


def _evicted(event: SeriesEvicted) -> dict[str, object]:
    return {
        "displaced": event.displaced,
        "examples": event.examples,
        "expired": event.expired,
        "live": event.live,
        "stream": _place(event.stream, event.offset),
    }


def _refit_failed(event: ModelRefitFailed) -> dict[str, object]:
    return {
        "error": event.error,
        "fit_number": event.fit_number,
        "group": event.group,
        "part": event.part,
        "stream": _place(event.stream, event.offset),
    }


def _place(stream: Stream, offset: int) -> dict[str, object]:
    return {"name": stream.name, "offset": offset, "partition": stream.partition}


def _dead_letter(event: RecordRejected) -> Message:
    """Keep key, value and headers as they arrived, so that the record can be produced again.

    More than a message can take is cut (see `kept_record`), and two headers of ours tell it.
    A tombstone's value becomes empty: a null would delete in a compacted topic; the reason tells them apart.
    """
    told = {
        "__connect.errors.topic": event.stream.name,
        "__connect.errors.partition": str(event.stream.partition),
        "__connect.errors.offset": str(event.offset),
        "__connect.errors.stage": "VALUE_CONVERTER",
        "__connect.errors.exception.class.name": f"{BadRecordError.__module__}.{BadRecordError.__qualname__}",
        "__connect.errors.exception.message": EXPLANATIONS[event.reason],
        "pynomaly.reason": event.reason.label,
        "pynomaly.flow": event.flow,
        "ce_id": event.id,
    }
    raw, marks = kept_record(event.raw)
    own = [(name, value.encode()) for name, value in (told | marks).items()]
    kept = [(name, value or b"") for name, value in raw.headers]
    return Message(raw.value or b"", raw.key, (*kept, *own))


def _canonical(data: dict[str, object]) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
