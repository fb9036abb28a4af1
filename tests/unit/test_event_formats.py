"""Events in Avro, Protobuf and structured mode: the same data, by the schemas that are kept, in equal bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

import pynomaly_connectors
from pynomaly.application.ports import Message
from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    PartContribution,
    RecordLate,
    SeriesEvicted,
    WindowSpan,
)
from pynomaly.domain.outcome import Level
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.cloudevents import encode, structured, structured_message
from pynomaly_connectors.codecs.event_formats import AvroEvents, ProtobufEvents
from pynomaly_connectors.codecs.event_schemas import ALERTS, LATE, texts
from pynomaly_connectors.codecs.protobuf_schema import compile_proto, message_type
from pynomaly_connectors.registry.client import RegisteredSchema

FOLDER = Path(pynomaly_connectors.__file__).parent / "codecs" / "schemas"
STREAM = Stream("vibration", 2, "an-id")
NOON_NS = 1_648_123_200_000_000_000
SINGLE = AnomalyDetected(
    id="00ff",
    flow="pumps",
    stream=STREAM,
    offset=41,
    series="pump-é",
    time_ns=NOON_NS + 250_000_001,
    level=Level.CRITICAL,
    evidence=6.5,
    bar=6.0,
    values={"rpm": 1200.5, "load": 0.25},
    expected={"rpm": 900.0, "load": None},
    parts=(
        PartContribution("ew_zscore", ("rpm",), 9.5, 7.5, 5.0),
        PartContribution("trees", ("rpm", "load"), None, None, 0.0),
    ),
)
WINDOW = replace(SINGLE, id="01ff", window=WindowSpan(NOON_NS - 60_000_000_000, NOON_NS))
REFITTED = ModelRefitted("0bff", "pumps", STREAM, 43, "pump-1", "forest", 3, "abc", 1000)
REFIT_FAILED = ModelRefitFailed("0cff", "pumps", STREAM, 44, "pump-1", "forest", 4, "singular")
LATE_RECORD = RecordLate("0aff", "pumps", STREAM, 42, "pump-1", NOON_NS, {"rpm": 1.0})
EVICTED = SeriesEvicted("0eff", "pumps", STREAM, 46, 3, 1, 99, ("pump-1", "pump-2"))
DEGRADED = DetectorStatusChanged("0fff", "pumps", STREAM, 47, "forest", "degraded", "ValueError: no")
EVENTS: list[Event] = [SINGLE, WINDOW, REFITTED, REFIT_FAILED, LATE_RECORD, EVICTED, DEGRADED]
ANOMALY_DATA: dict[str, Any] = {
    "series": "pump-é",
    "time": NOON_NS + 250_000_001,
    "level": "critical",
    "evidence": 6.5,
    "bar": 6.0,
    "values": {"rpm": 1200.5, "load": 0.25},
    "expected": {"rpm": 900.0, "load": None},
    "parts": [
        {"part": "ew_zscore", "fields": ["rpm"], "score": 9.5, "severity": 7.5, "contribution": 5.0},
        {"part": "trees", "fields": ["rpm", "load"], "score": None, "severity": None, "contribution": 0.0},
    ],
    "stream": {"name": "vibration", "partition": 2, "offset": 41},
    "window": None,
    "field_contributions": {"rpm": 5.0},
}


def _body(events: AvroEvents | ProtobufEvents, event: Event) -> bytes:
    message = encode(event)
    return events.body(dict(message.headers)["ce_type"].decode(), json.loads(message.value))


@pytest.mark.parametrize("name", ["alerts.avsc", "late.avsc", "events.proto"])
def test_kept_schemas_are_current(name: str) -> None:
    """What registries get is what the shapes of the events give."""
    assert (FOLDER / name).read_text() == texts()[name], (
        "schemas must be current: python -m pynomaly_connectors.codecs.event_schemas "
        "connectors/pynomaly_connectors/codecs/schemas"
    )


def test_avro_holds_the_data() -> None:
    """Read by fastavro and the kept schema alone; times are nanoseconds."""
    schema = fastavro.parse_schema(json.loads((FOLDER / "alerts.avsc").read_text()))
    events = AvroEvents(ALERTS)
    alerts = [*EVENTS[:4], EVICTED, DEGRADED]
    read = [fastavro.schemaless_reader(BytesIO(_body(events, event)), schema, None) for event in alerts]
    assert read[0] == ANOMALY_DATA
    assert read[1] == {**ANOMALY_DATA, "window": {"start": NOON_NS - 60_000_000_000, "end": NOON_NS}}
    place = {"name": "vibration", "partition": 2}
    assert read[2] == {
        "group": "pump-1", "part": "forest", "fit_number": 3, "model_hash": "abc", "records": 1000,
        "stream": {**place, "offset": 43},
    }  # fmt: skip
    assert read[3] == {
        "group": "pump-1", "part": "forest", "fit_number": 4, "error": "singular", "stream": {**place, "offset": 44},
    }  # fmt: skip
    assert read[4] == {
        "expired": 3, "displaced": 1, "live": 99, "examples": ["pump-1", "pump-2"], "stream": {**place, "offset": 46},
    }  # fmt: skip


def test_avro_of_late_records() -> None:
    """A topic with one kind of events has a record as its schema, not a union."""
    schema = fastavro.parse_schema(json.loads((FOLDER / "late.avsc").read_text()))
    read = fastavro.schemaless_reader(BytesIO(_body(AvroEvents(LATE), LATE_RECORD)), schema, None)
    assert read == {
        "series": "pump-1", "time": NOON_NS, "values": {"rpm": 1.0},
        "stream": {"name": "vibration", "partition": 2, "offset": 42},
    }  # fmt: skip


def test_protobuf_holds_the_data() -> None:
    """Read by the kept file alone; the index names the message, what is unknown is left out."""
    file = compile_proto(RegisteredSchema("PROTOBUF", (FOLDER / "events.proto").read_text()))
    events = ProtobufEvents()
    headers = [b"\0", b"\0", b"\2\2", b"\2\4", b"\2\6", b"\2\10", b"\2\12"]
    for event, header, index in zip(EVENTS, headers, [0, 0, 1, 2, 3, 4, 5], strict=True):
        body = _body(events, event)
        assert body.startswith(header)
        message = GetMessageClass(message_type(file, [index])).FromString(body[len(header) :])
        read = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        assert _as_json(read) == _known(json.loads(encode(event).value))


def _as_json(value: Any) -> Any:
    """Undo what Protobuf's JSON does to whole numbers: it writes those of 64 bits as text."""
    if isinstance(value, dict):
        whole = {"partition", "offset", "fit_number", "records", "expired", "displaced", "live"}
        return {key: int(entry) if key in whole else _as_json(entry) for key, entry in value.items()}
    return list(map(_as_json, value)) if isinstance(value, list) else value


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(entry) for key, entry in value.items() if entry is not None}
    return list(map(_known, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("events", [AvroEvents(ALERTS), ProtobufEvents()], ids=["avro", "protobuf"])
def test_equal_events_give_equal_bytes(events: AvroEvents | ProtobufEvents) -> None:
    """In whatever order a mapping was filled."""
    turned = replace(SINGLE, values=dict(reversed(SINGLE.values.items())))
    assert _body(events, turned) == _body(events, SINGLE)
    assert _body(events, WINDOW) != _body(events, SINGLE)


@pytest.mark.parametrize("event", EVENTS)
def test_structured_mode(event: Event) -> None:
    """Read by the CloudEvents library; key and headers are those of binary mode but for the content type."""
    binary = encode(event)
    message = structured_message(binary)
    assert message == Message(structured(binary), binary.key, message.headers)
    changed = dict(binary.headers) | {"content-type": b"application/cloudevents+json"}
    assert message.headers == tuple(changed.items())
    read = from_structured(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat(), CloudEvent)
    assert read.get_id() == event.id
    assert read.get_data() == json.loads(binary.value)
