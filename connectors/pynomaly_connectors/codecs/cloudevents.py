"""Domain events as messages: CloudEvents 1.0 in Kafka's binary mode, dead letters by Kafka Connect's header names.

Equal events give equal bytes: the id is the event's own, the time is event time, keys are sorted, and nothing
of the process (clock, host, version) is in a message. A file holds the same events in structured mode.
See the CloudEvents specification 1.0.2 and its Kafka protocol binding, sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never
from urllib.parse import quote

import orjson

from pynomaly.application.ports import Message
from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    RecordLate,
    RecordRejected,
    SeriesEvicted,
)
from pynomaly.domain.origin import Origin
from pynomaly_connectors.codecs.dead_letter import dead_letter_message
from pynomaly_connectors.codecs.event_data import (
    anomaly_detected,
    detector_status_changed,
    model_refit_failed,
    model_refitted,
    record_late,
    series_evicted,
)
from pynomaly_connectors.codecs.iso8601 import rfc3339
from pynomaly_connectors.codecs.payload import Headers

JSON: Final = b"application/json"
STRUCTURED_JSON: Final = b"application/cloudevents+json"
CONTENT_TYPE: Final = "content-type"

#: `ce_type` of every event that is a CloudEvent; the version moves with the shape of the data.
TYPES: Final[dict[type[Event], str]] = {
    AnomalyDetected: "io.pynomaly.anomaly.detected.v1",
    RecordLate: "io.pynomaly.record.late.v1",
    ModelRefitted: "io.pynomaly.model.refitted.v1",
    ModelRefitFailed: "io.pynomaly.model.refit_failed.v1",
    SeriesEvicted: "io.pynomaly.series.evicted.v1",
    DetectorStatusChanged: "io.pynomaly.detector.status_changed.v1",
}


def encode(event: Event) -> Message:
    """Encode an event; equal events give equal messages."""
    match event:
        case RecordRejected():
            return dead_letter_message(event)
        case AnomalyDetected():
            return _cloud_event(event, event.series, event.time_ns, anomaly_detected(event), event.origin)
        case RecordLate():
            return _cloud_event(event, event.series, event.time_ns, record_late(event))
        case ModelRefitted() | ModelRefitFailed():
            data = model_refitted(event) if isinstance(event, ModelRefitted) else model_refit_failed(event)
            return _cloud_event(event, event.group, None, data)
        case SeriesEvicted() | DetectorStatusChanged():
            told = series_evicted(event) if isinstance(event, SeriesEvicted) else detector_status_changed(event)
            return _cloud_event(event, str(event.stream), None, told)
        case _:
            assert_never(event)


def keyed_by_id(message: Message) -> Message:
    """Return an event under its id as key, in the attribute that tells the key as well."""
    identity = dict(message.headers)["ce_id"]
    headers = ((name, identity if name == "ce_partitionkey" else value) for name, value in message.headers)
    return Message(message.value, identity, tuple(headers))


def structured(message: Message) -> bytes:
    """Return a CloudEvent from `encode` in structured mode: one JSON object on one line, for files."""
    attributes: dict[str, object] = {
        name.removeprefix("ce_"): (value or b"").decode() for name, value in message.headers if name.startswith("ce_")
    }
    attributes |= {"datacontenttype": JSON.decode(), "data": orjson.Fragment(message.value)}
    return _canonical(attributes)


def structured_message(message: Message) -> Message:
    """Return a CloudEvent from `encode` in structured mode, its attributes in the headers as well, as Kafka may."""
    return Message(structured(message), message.key, with_content_type(message, STRUCTURED_JSON))


def with_content_type(message: Message, content_type: bytes) -> Headers:
    """Return the headers of a message for a value of another type."""
    return tuple((name, content_type if name == CONTENT_TYPE else value) for name, value in message.headers)


def _cloud_event(
    event: Event, subject: str, time_ns: int | None, data: Mapping[str, object], origin: Origin | None = None
) -> Message:
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
    if origin is not None:
        attributes["ce_origin"] = str(origin)
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return Message(_canonical(data), subject.encode(), (*headers, (CONTENT_TYPE, JSON)))


def _canonical(data: Mapping[str, object]) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
