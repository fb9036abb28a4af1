"""Events as messages: read by the CloudEvents package, spelled out once, equal for equal events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from pynomaly.application.ports import Message
from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    PartContribution,
    RecordLate,
    RecordRejected,
    SeriesEvicted,
    WindowSpan,
)
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.cloudevents import encode, structured
from pynomaly_connectors.codecs.iso8601 import rfc3339

STREAM = Stream("vibration", 2, "an-id")
NOON_NS = 1_648_123_200_000_000_000
ANOMALY = AnomalyDetected(
    id="00ff",
    flow="pumps",
    stream=STREAM,
    offset=41,
    series="pump-é",
    time_ns=NOON_NS + 250_000_000,
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
LATE = RecordLate("0aff", "pumps", STREAM, 42, "pump-1", NOON_NS, {"rpm": 1.0})
REFITTED = ModelRefitted("0bff", "pumps", STREAM, 43, "pump-1", "forest", 3, "abc", 1000)
REFIT_FAILED = ModelRefitFailed("0cff", "pumps", STREAM, 44, "pump-1", "forest", 4, "singular")
EVICTED = SeriesEvicted("0eff", "pumps", STREAM, 46, 3, 1, 99, ("pump-1", "pump-2"))
REJECTED = RecordRejected(
    "0dff", "pumps", STREAM, 45, Reason.MALFORMED, RawRecord(b"\xff{", b"k", (("trace", b"t1"), ("none", None)))
)
DEGRADED = DetectorStatusChanged("0fff", "pumps", STREAM, 47, "forest", "degraded", "ValueError: no")
CLOUD_EVENTS: list[Event] = [ANOMALY, LATE, REFITTED, REFIT_FAILED, EVICTED, DEGRADED]


def read(message: Message) -> CloudEvent:
    """Read a message with the reference implementation."""
    event = from_binary(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat(), CloudEvent)
    assert isinstance(event, CloudEvent)
    return event


def test_an_anomaly_is_a_cloud_event() -> None:
    """The attributes say what, where from, whose and when; the key keeps a series in order."""
    message = encode(ANOMALY)
    event = read(message)
    assert event.get_id() == "00ff"
    assert event.get_source() == "/pynomaly/flows/pumps"
    assert event.get_type() == "io.pynomaly.anomaly.detected.v1"
    assert event.get_specversion() == "1.0"
    assert event.get_subject() == "pump-é"
    assert event.get_time() == datetime(2022, 3, 24, 12, 0, 0, 250_000, tzinfo=UTC)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("partitionkey") == "pump-é"
    assert message.key == "pump-é".encode()


def test_an_anomaly_carries_what_explains_it() -> None:
    """The data are spelled out here once, sorted and without spaces."""
    assert encode(ANOMALY).value.decode() == (
        '{"bar":6.0,"evidence":6.5,"expected":{"load":null,"rpm":900.0},'
        '"field_contributions":{"rpm":5.0},"level":"critical",'
        '"parts":[{"contribution":5.0,"fields":["rpm"],"part":"ew_zscore","score":9.5,"severity":7.5},'
        '{"contribution":0.0,"fields":["rpm","load"],"part":"trees","score":null,"severity":null}],'
        '"series":"pump-é","stream":{"name":"vibration","offset":41,"partition":2},'
        '"time":"2022-03-24T12:00:00.250Z","values":{"load":0.25,"rpm":1200.5},"window":null}'
    )


def test_the_anomaly_of_a_window_carries_its_span() -> None:
    """A window is told by the half-open span of event time that it covers."""
    event = replace(ANOMALY, window=WindowSpan(NOON_NS - 60_000_000_000, NOON_NS))
    assert json.loads(encode(event).value)["window"] == {"start": "2022-03-24T11:59:00Z", "end": "2022-03-24T12:00:00Z"}


@pytest.mark.parametrize(
    ("event", "kind", "subject", "data"),
    [
        (
            LATE,
            "io.pynomaly.record.late.v1",
            "pump-1",
            {
                "series": "pump-1",
                "stream": {"name": "vibration", "partition": 2, "offset": 42},
                "time": "2022-03-24T12:00:00Z",
                "values": {"rpm": 1.0},
            },
        ),
        (
            REFITTED,
            "io.pynomaly.model.refitted.v1",
            "pump-1",
            {
                "fit_number": 3,
                "group": "pump-1",
                "model_hash": "abc",
                "part": "forest",
                "records": 1000,
                "stream": {"name": "vibration", "partition": 2, "offset": 43},
            },
        ),
        (
            REFIT_FAILED,
            "io.pynomaly.model.refit_failed.v1",
            "pump-1",
            {
                "error": "singular",
                "fit_number": 4,
                "group": "pump-1",
                "part": "forest",
                "stream": {"name": "vibration", "partition": 2, "offset": 44},
            },
        ),
        (
            DEGRADED,
            "io.pynomaly.detector.status_changed.v1",
            "vibration[2]",
            {
                "error": "ValueError: no",
                "part": "forest",
                "status": "degraded",
                "stream": {"name": "vibration", "partition": 2, "offset": 47},
            },
        ),
        (
            EVICTED,
            "io.pynomaly.series.evicted.v1",
            "vibration[2]",
            {
                "displaced": 1,
                "examples": ["pump-1", "pump-2"],
                "expired": 3,
                "live": 99,
                "stream": {"name": "vibration", "partition": 2, "offset": 46},
            },
        ),
    ],
)
def test_other_events_are_cloud_events_too(event: Event, kind: str, subject: str, data: object) -> None:
    """Each type has its attributes and its data."""
    found = read(encode(event))
    assert (found.get_id(), found.get_type(), found.get_subject()) == (event.id, kind, subject)
    assert found.get_data() == data


def test_events_without_event_time_have_no_time() -> None:
    """A wall clock would differ on replay."""
    assert "ce_time" not in dict(encode(REFITTED).headers)
    assert "time" not in json.loads(structured(encode(REFITTED)))


def test_a_stream_without_series_has_no_subject() -> None:
    """An attribute of CloudEvents must not be empty."""
    found = read(encode(replace(LATE, series="")))
    assert found.get_subject() is None


@pytest.mark.parametrize("event", CLOUD_EVENTS)
def test_the_structured_form_is_the_same_event(event: Event) -> None:
    """A line of a file and a message of a topic carry the same attributes and data."""
    line = structured(encode(event))
    assert b"\n" not in line
    headers = {"content-type": b"application/cloudevents+json"}
    of_file, of_topic = (
        from_structured(KafkaMessage(headers, None, line), JSONFormat(), CloudEvent),
        read(encode(event)),
    )
    timeless = {} if hasattr(event, "time_ns") else {"time": None}  # the package makes up a time where there is none
    assert of_file.get_attributes() | timeless == of_topic.get_attributes() | timeless
    assert of_file.get_data() == of_topic.get_data()


@pytest.mark.parametrize("event", [*CLOUD_EVENTS, REJECTED])
def test_equal_events_give_equal_messages(event: Event) -> None:
    """A repeat after a crash is the same bytes, whatever order its values were put together in."""
    again = replace(event)
    if isinstance(again, AnomalyDetected):
        again = replace(again, values=dict(reversed(again.values.items())))
    assert encode(again) == encode(event)


def test_a_dead_letter_keeps_the_record_as_it_arrived() -> None:
    """Key, value and headers can be produced again; what happened is told as Kafka Connect tells it."""
    message = encode(REJECTED)
    assert (message.key, message.value) == (b"k", b"\xff{")
    assert message.headers == (
        ("trace", b"t1"),
        ("none", None),
        ("__connect.errors.topic", b"vibration"),
        ("__connect.errors.partition", b"2"),
        ("__connect.errors.offset", b"45"),
        ("__connect.errors.connector.name", b"pumps"),
        ("__connect.errors.task.id", b"2"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.class.name", b"pynomaly_connectors.codecs"),
        ("__connect.errors.exception.class.name", b"pynomaly.domain.error.BadRecordError"),
        ("__connect.errors.exception.message", b"the payload cannot be parsed in the flow's format"),
        ("pynomaly.reason", b"malformed"),
        ("pynomaly.flow", b"pumps"),
        ("pynomaly.id", b"0dff"),
        ("ce_id", b"0dff"),
    )


def test_a_dead_letter_stays_below_what_a_topic_takes() -> None:
    """A record that no message can take loses its end, and two more headers say so."""
    raw = RawRecord(b"x" * 3_000_000, b"k", (("trace", b"t1"),))
    message = encode(replace(REJECTED, raw=raw))
    size = len(message.value) + sum(len(name) + len(value or b"") for name, value in message.headers)
    assert 990_000 < len(message.value) < size < 1_048_000
    assert (message.key, message.headers[0]) == (b"k", ("trace", b"t1"))
    assert message.headers[-2:] == (("pynomaly.truncated", b"value"), ("pynomaly.value_bytes", b"3000000"))


def test_the_dead_letter_of_a_tombstone_is_no_tombstone() -> None:
    """A null value would delete the dead letters of the same key in a compacted topic."""
    message = encode(replace(REJECTED, reason=Reason.NO_PAYLOAD, raw=RawRecord(None, b"k")))
    assert message.value == b""
    assert ("pynomaly.reason", b"no_payload") in message.headers


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (NOON_NS + 1, "2022-03-24T12:00:00.000000001Z"),
        (NOON_NS + 120_000, "2022-03-24T12:00:00.000120Z"),
        (NOON_NS + 500_000_000, "2022-03-24T12:00:00.500Z"),
    ],
)
def test_times_are_exact(time_ns: int, text: str) -> None:
    """Every nanosecond has its own text."""
    assert rfc3339(time_ns) == text
