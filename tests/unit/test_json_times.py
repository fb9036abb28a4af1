"""The time of a JSON record: numbers, text, and the range in which it must lie."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.domain.outcome import Reason
from pynomaly_connectors.codecs.choose import DecoderChoice
from unit.json_batches import T_NS, decode, spec

NUMBER_TIMES = [
    ("s", b"1700000000", 1_700_000_000_000_000_000),
    ("s", b"1700000000.123", 1_700_000_000_123_000_000),
    ("s", b"1700000000.123456", 1_700_000_000_123_456_000),
    ("s", b"1700000000.1234567", 1_700_000_000_123_456_700),
    ("s", b"1700000000.500000000000", 1_700_000_000_500_000_000),
    ("s", b"1.7e9", 1_700_000_000_000_000_000),
    ("ms", b"1700000000123.5", 1_700_000_000_123_500_000),
    ("us", b"1700000000123456", 1_700_000_000_123_456_000),
    ("us", b"1700000000123456.25", 1_700_000_000_123_456_200),  # the nearest double's shortest text ends in .2
    ("ns", b"1700000000123456789", 1_700_000_000_123_456_789),
    ("ns", b"1700000000123456789.0", 1_700_000_000_123_456_800),  # a double's shortest text
    ("ns", b"900000000000000000.0", 900_000_000_000_000_000),
]


@pytest.mark.parametrize(("time_format", "text", "time_ns"), NUMBER_TIMES)
def test_times_that_are_numbers(choice: DecoderChoice, time_format: str, text: bytes, time_ns: int) -> None:
    """A fraction is taken by its shortest decimal text and scaled exactly."""
    record = spec(time={"field": "ts", "format": time_format})
    batch = decode(choice, record, b'{"ts":' + text + b',"series":"a","value":1}')
    assert batch.refusal.tolist() == [0]
    assert batch.time_ns.tolist() == [time_ns]


def test_fractions_of_a_nanosecond_are_rounded_half_to_even(choice: DecoderChoice) -> None:
    """Ties go to the even nanosecond, before 1970 as well."""
    early = datetime(1960, 1, 1, tzinfo=UTC)
    record = spec(time={"field": "ts", "format": "ns", "earliest": early})
    texts = [b"0.5", b"1.5", b"2.5", b"-0.5", b"-1.5", b"2.5000000000000004"]
    batch = decode(choice, record, *(b'{"ts":' + text + b',"series":"a","value":1}' for text in texts))
    assert batch.time_ns.tolist() == [0, 2, 2, 0, -2, 3]


ISO_TIMES = [
    (b"2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
    (b"2023-11-14T22:13:20", 1_700_000_000_000_000_000),
    (b"2023-11-14 22:13:20.123Z", T_NS),
    (b"2023-11-14T22:13:20.123456789+00:00", 1_700_000_000_123_456_789),
    (b"2023-11-14T22:13:20.1234567899Z", 1_700_000_000_123_456_789),
    (b"2023-11-14T23:43:20.5+01:30", 1_700_000_000_500_000_000),
    (b"2023-11-14T14:13:20-08:00", 1_700_000_000_000_000_000),
    (b"2023-11-14t22:13:20z", 1_700_000_000_000_000_000),
    (b"2023-11-14T22:13:20+0000", 1_700_000_000_000_000_000),
    (b"2023-11-14 22:13:20+00", 1_700_000_000_000_000_000),
    (b"2023-11-14T22:13Z", 1_699_999_980_000_000_000),
    (b"2023-11-14", 1_699_920_000_000_000_000),
    (b"2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
    (b"2000-02-29T00:00:00Z", 951_782_400_000_000_000),
    (b"1999-12-31T23:59:59.999999999Z", 946_684_799_999_999_999),
]


@pytest.mark.parametrize(("text", "time_ns"), ISO_TIMES)
def test_times_that_are_text(choice: DecoderChoice, text: bytes, time_ns: int) -> None:
    """All forms of the grammar; no offset is UTC."""
    batch = decode(choice, spec(time={"field": "ts"}), b'{"ts":"' + text + b'","series":"a","value":1}')
    assert batch.refusal.tolist() == [0]
    assert batch.time_ns.tolist() == [time_ns]


BAD_ISO_TIMES = [
    b'"2023-02-29T00:00:00Z"',
    b'"1900-02-29T00:00:00Z"',
    b'"2023-13-01T00:00:00Z"',
    b'"2023-00-01T00:00:00Z"',
    b'"2023-04-31T00:00:00Z"',
    b'"2023-11-14T24:00:00Z"',
    b'"2023-11-14T22:60:00Z"',
    b'"2016-12-31T23:59:60Z"',
    b'"2023-11-14T22:13:20+24:00"',
    b'"2023-11-14T22:13:20+01:60"',
    b'"2023-11-14T22:13:20."',
    b'"2023-11-14T22:13:20 Z"',
    b'" 2023-11-14T22:13:20Z"',
    b'"2023-11-14T22:13:20Z\\n"',
    b'"2023-11-14T22:13:2"',
    b'"2023-11-14T2a:13:20Z"',
    b'"20231114T221320Z"',
    b'"2023-W46-2"',
    b'"0000-01-01T00:00:00Z"',
    b'"2023-11-14T22:13:2\\u0660"',  # a digit, but not one of ASCII
    b'"1700000000"',
    b'""',
    b"1700000000",
    b"1700000000.5",
]


@pytest.mark.parametrize("text", BAD_ISO_TIMES)
def test_text_that_is_no_time(choice: DecoderChoice, text: bytes) -> None:
    """Dates that do not exist, other notations, and numbers."""
    batch = decode(choice, spec(time={"field": "ts"}), b'{"ts":' + text + b',"series":"a","value":1}')
    assert batch.refusal.tolist() == [Reason.BAD_TIME]


def test_the_plausible_range_is_half_open(choice: DecoderChoice) -> None:
    """`earliest` is in, `latest` is out."""
    span = {"earliest": datetime(2020, 1, 1, tzinfo=UTC), "latest": datetime(2021, 1, 1, tzinfo=UTC)}
    record = spec(time={"field": "ts", **span})
    texts = ["2019-12-31T23:59:59.999999999Z", "2020-01-01T00:00:00Z", "2020-12-31T23:59:59.999999999Z", "2021-01-01"]
    batch = decode(choice, record, *(f'{{"ts":"{text}","series":"a","value":1}}'.encode() for text in texts))
    assert batch.refusal.tolist() == [Reason.TIME_OUT_OF_RANGE, 0, 0, Reason.TIME_OUT_OF_RANGE]


def test_a_range_wider_than_nanoseconds_hold_is_narrowed(choice: DecoderChoice) -> None:
    """Years that no column can hold are out of range, whatever the flow says."""
    span = {"earliest": datetime(2, 1, 1, tzinfo=UTC), "latest": datetime(9999, 1, 1, tzinfo=UTC)}
    record = spec(time={"field": "ts", **span})
    texts = ["1600-01-01", "1700-01-01T00:00:00", "2200-01-01T00:00:00", "2300-01-01T00:00:00", "2262-04-11T00:00:00"]
    batch = decode(choice, record, *(f'{{"ts":"{text}","series":"a","value":1}}'.encode() for text in texts))
    out = Reason.TIME_OUT_OF_RANGE
    assert batch.refusal.tolist() == [out, 0, 0, out, 0]


def test_records_without_time_are_all_at_zero(choice: DecoderChoice) -> None:
    """The time field is not read; nothing is out of range."""
    record = RecordSpec(time=NoTime(field="none"), series=("series",), values=("value",))
    batch = decode(choice, record, b'{"series":"a","value":1}', b'{"none":"x","series":"a","value":2}', b"{}")
    assert batch.refusal.tolist() == [0, 0, Reason.MISSING_FIELD]
    assert batch.time_ns.tolist() == [0, 0, 0]
