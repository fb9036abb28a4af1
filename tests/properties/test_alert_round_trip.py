"""Alerts are read back as they were written, in both modes of CloudEvents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.alert_logs import alert
from pynomaly.application.alert_reader import ReadEvent, RecentEvents
from pynomaly.application.ports import Message
from pynomaly.domain.error import BadRecordError
from pynomaly.domain.event import AnomalyDetected, ModelRefitted, PartContribution, RecordRejected, WindowSpan
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.cloudevents import encode, structured
from pynomaly_connectors.codecs.cloudevents_reading import read_event

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(-2_000_000_000_000_000_000, 4_000_000_000_000_000_000)
parts = st.builds(
    PartContribution,
    texts,
    st.lists(texts, max_size=2).map(tuple),
    st.none() | numbers,
    st.none() | numbers,
    numbers,
)
alerts = st.builds(
    AnomalyDetected,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    flow=st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True),
    stream=st.builds(Stream, texts, st.integers(0, 99)),
    offset=st.integers(0, 2**53),
    series=texts,
    time_ns=times,
    level=st.sampled_from([Level.WATCH, Level.WARNING, Level.CRITICAL]),
    evidence=numbers,
    bar=numbers,
    values=st.dictionaries(texts, numbers, max_size=3),
    expected=st.dictionaries(texts, st.none() | numbers, max_size=3),
    parts=st.lists(parts, max_size=2).map(tuple),
    window=st.none() | st.builds(WindowSpan, times, times),
)


def _received(message: Message) -> RawRecord:
    return RawRecord(message.value, message.key, message.headers)


@given(alerts)
def test_an_alert_is_read_back_as_it_was(written: AnomalyDetected) -> None:
    """Every field comes back, from headers and value as from one JSON object."""
    message = encode(written)
    assert read_event(_received(message)) == ReadEvent(written.id, written)
    assert read_event(RawRecord(structured(message))) == ReadEvent(written.id, written)


def test_other_events_are_known_by_their_id() -> None:
    """A model's event is an event without an alert; a dead letter is none, though it has an id."""
    refitted = ModelRefitted("0f", "pumps", Stream("readings"), 7, "pump-1", "forest", 1, "hash", 100)
    assert read_event(_received(encode(refitted))) == ReadEvent("0f", None)
    rejected = RecordRejected("1f", "pumps", Stream("readings"), 7, Reason.MALFORMED, RawRecord(b"{"))
    assert read_event(_received(encode(rejected))) is None
    for value in (None, b"", b"[]", b'{"id": 1}', b"\xff"):
        assert read_event(RawRecord(value)) is None


@pytest.mark.parametrize(
    ("headers", "value", "text"),
    [
        ({"content-type": b"application/avro"}, b"\x00\x00", "must be in application/json .* was in application/avro"),
        ({}, b'{"series": "a"}', "must have the shape of io.pynomaly.anomaly.detected.v1, had not: KeyError"),
        ({}, b"not JSON", "must have the shape"),
    ],
)
def test_an_alert_that_cannot_be_read_is_told(headers: dict[str, bytes], value: bytes, text: str) -> None:
    """Nothing is passed over that calls itself an alert."""
    known = {**dict(encode(alert(1)).headers), **headers}
    with pytest.raises(BadRecordError, match=text):
        read_event(RawRecord(value, None, tuple(known.items())))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=80), st.integers(0, 15))
def test_repeats_are_judged_by_the_distance_of_copies(steps: list[tuple[int, int]], memory: int) -> None:
    """An id is a repeat when its last copy lies at most the memory back, and no more ids than that are kept."""
    recent, seen, offset = RecentEvents(memory), dict[int, int](), 0
    for identity, step in steps:
        offset += step
        expected = identity in seen and offset - seen[identity] <= memory
        assert recent.is_repeat(str(identity), offset) == expected
        seen[identity] = offset
        assert len(recent) <= memory + 1
