"""The rules of reading JSON records, on both decoders."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from cached_kernels import SCAN
from pynomaly.application.spec.record import NoTime, RecordSpec, TimeSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord, RecordBatch, Stream
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.json_fast import FastJsonDecoder
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.number_scanner import quotient
from pynomaly_connectors.codecs.payload import RawBatch

STREAM = Stream("records", 7)
T_MS = 1_700_000_000_123
T_NS = 1_700_000_000_123_000_000


def spec(**changes: Any) -> RecordSpec:
    """Return a record of a millisecond time, one series field and one value, with changes."""
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)}
    return RecordSpec.model_validate({**fields, **changes})


def raw_of(*payloads: bytes | None, keys: list[bytes | None] | None = None) -> RawBatch:
    """Return payloads with offsets from 100 on."""
    return RawBatch.of(payloads, np.arange(100, 100 + len(payloads)), keys)


@pytest.fixture(params=["fast", "portable"])
def choice(request: pytest.FixtureRequest) -> DecoderChoice:
    """Each decoder."""
    return request.param


def decode(choice: DecoderChoice, record: RecordSpec, *payloads: bytes | None) -> RecordBatch:
    """Decode payloads of one batch."""
    return json_decoder(record, choice, SCAN).decode(STREAM, raw_of(*payloads))


ACCEPTED = [
    (b'{"ts":1700000000123,"series":"a","value":1.5}', b"a", 1.5),
    (b'{"value":-7,"series":"a","ts":1700000000123}', b"a", -7.0),
    (b' {\t"ts" : 1700000000123 ,\r\n "series" : "a" , "value" : 0.1 } \n', b"a", 0.1),
    (b'{"ts":1700000000123,"series":"a","value":1,"unit":"C","ok":true,"no":false,"x":null,"y":-1.25}', b"a", 1.0),
    (b'{"ts":1700000000123,"series":"a","value":1,"tags":["x",{"value":9}]}', b"a", 1.0),
    (b'{"ts":1700000000123,"series":42,"value":1}', b"42", 1.0),
    (b'{"ts":1700000000123,"series":-0,"value":1}', b"0", 1.0),
    (b'{"ts":1700000000123,"series":18446744073709551615,"value":1}', b"18446744073709551615", 1.0),
    ('{"ts":1700000000123,"series":"Köln","value":1}'.encode(), "Köln".encode(), 1.0),
    (b'{"ts":1700000000123,"series":"K\\u00f6ln","value":1}', "Köln".encode(), 1.0),
    ('{"ts":1700000000123,"series":"é€😀","value":1}'.encode(), "é€😀".encode(), 1.0),
    (b'{"ts":1700000000123,"series":"a\\\\b\\n","value":1}', b"a\\b\n", 1.0),
    (b'{"ts":1700000000123,"series":"a|b","value":1}', b"a|b", 1.0),
    (b'{"ts":1700000000123,"series":"' + b"x" * 1024 + b'","value":1}', b"x" * 1024, 1.0),
    (b'{"\\u0074s":1700000000123,"series":"a","value":1}', b"a", 1.0),
    (b'{"ts":1700000000123,"series":"a","value":1,"value":2}', b"a", 2.0),
    (b'{"ts":1700000000123,"series":"a","value":1e3}', b"a", 1000.0),
    (b'{"ts":1700000000123,"series":"a","value":1E-2}', b"a", 0.01),
    (b'{"ts":1700000000123,"series":"a","value":-0.0}', b"a", -0.0),
    (b'{"ts":1700000000123,"series":"a","value":-0}', b"a", 0.0),
    (b'{"ts":1700000000123,"series":"a","value":0.30000000000000004}', b"a", 0.1 + 0.2),
    (b'{"ts":1700000000123,"series":"a","value":9007199254740993}', b"a", 9007199254740992.0),
    (b'{"ts":1700000000123,"series":"a","value":123456789012345678901234567890}', b"a", 1.2345678901234568e29),
    (b'{"ts":1700000000123,"series":"a","value":1e308}', b"a", 1e308),
    (b'{"ts":1700000000123,"series":"a","value":1e-400}', b"a", 0.0),
    (b'{"ts":1700000000123.0,"series":"a","value":1}', b"a", 1.0),
    (b'{"ts":1.700000000123e12,"series":"a","value":1}', b"a", 1.0),
]


@pytest.mark.parametrize(("payload", "key", "value"), ACCEPTED)
def test_what_is_accepted(choice: DecoderChoice, payload: bytes, key: bytes, value: float) -> None:
    """Time, key and value of records in every form that is allowed."""
    batch = decode(choice, spec(), payload)
    assert batch.refusal.tolist() == [0]
    assert batch.time_ns.tolist() == [T_NS]
    assert batch.key[0] == key
    assert batch.values.tolist() == [[value]]
    assert math.copysign(1, batch.values[0, 0]) == math.copysign(1, value)
    assert batch.offset.tolist() == [100]
    assert batch.refused() == {}


REFUSED = [
    (None, Reason.NO_PAYLOAD),
    (b'{"ts":1700000000123,"series":"a","value":1,"pad":"' + b"x" * 1000 + b'"}', Reason.TOO_LARGE),
    (b"x" * 1001, Reason.TOO_LARGE),
    (b"", Reason.MALFORMED),
    (b"null", Reason.MALFORMED),
    (b"[]", Reason.MALFORMED),
    (b'"text"', Reason.MALFORMED),
    (b"17", Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1,}', Reason.MALFORMED),
    (b'{,"ts":1700000000123,"series":"a","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1}x', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1}{}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1}\x00', Reason.MALFORMED),
    (b'{"ts":1700000000123 "series":"a","value":1}', Reason.MALFORMED),
    (b'{"ts" 1700000000123,"series":"a","value":1}', Reason.MALFORMED),
    (b'{ts:1700000000123,"series":"a","value":1}', Reason.MALFORMED),
    (b"{'ts':1700000000123}", Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":01}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":+1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1.}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":.5}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":-}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1e}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":0x1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1,"x":tru}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1,"x":nulll}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a\tb","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a\\qb","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a\xff","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"\xc0\x80","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"\xed\xa0\x80","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"\\ud800","value":1}', Reason.MALFORMED),
    (b'\xef\xbb\xbf{"ts":1700000000123,"series":"a","value":1}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":NaN}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":-Infinity}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":1e400}', Reason.MALFORMED),
    (b'{"ts":1700000000123,"series":"a","value":' + b"9" * 310 + b"}", Reason.MALFORMED),
    (b'{"series":"a","value":1}', Reason.MISSING_FIELD),
    (b'{"ts":null,"series":"a","value":1}', Reason.MISSING_FIELD),
    (b'{"ts":1700000000123,"value":1}', Reason.MISSING_FIELD),
    (b'{"ts":1700000000123,"series":null,"value":1}', Reason.MISSING_FIELD),
    (b'{"ts":1700000000123,"series":"a"}', Reason.MISSING_FIELD),
    (b'{"ts":1700000000123,"series":"a","value":null}', Reason.MISSING_FIELD),
    (b"{}", Reason.MISSING_FIELD),
    (b'{"ts":"1700000000123","series":"a","value":1}', Reason.BAD_TIME),
    (b'{"ts":true,"series":"a","value":1}', Reason.BAD_TIME),
    (b'{"ts":{},"series":"a","value":1}', Reason.BAD_TIME),
    (b'{"ts":1700000000,"series":"a","value":1}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":-5,"series":"a","value":1}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":99999999999999999999,"series":"a","value":1}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":999999999999999999,"series":"a","value":1}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":1e300,"series":"a","value":1}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":1700000000123,"series":"","value":1}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"series":1.0,"value":1}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"series":true,"value":1}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"series":["a"],"value":1}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"series":99999999999999999999,"value":1}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"series":"a","value":"1"}', Reason.NOT_A_NUMBER),
    (b'{"ts":1700000000123,"series":"a","value":false}', Reason.NOT_A_NUMBER),
    (b'{"ts":1700000000123,"series":"a","value":[1]}', Reason.NOT_A_NUMBER),
]


@pytest.mark.parametrize(("payload", "reason"), REFUSED)
def test_what_is_refused(choice: DecoderChoice, payload: bytes | None, reason: Reason) -> None:
    """A record that breaks a rule becomes a refused row, with nothing in it, and its bytes are kept."""
    batch = decode(choice, spec(max_bytes=1000), payload)
    assert Reason(batch.refusal[0]) is reason
    assert batch.time_ns.tolist() == [0]
    assert batch.key[0] == b""
    assert np.isnan(batch.values).all()
    assert batch.refused() == {0: RawRecord(payload)}


def test_a_series_key_of_more_than_1024_bytes_is_refused(choice: DecoderChoice) -> None:
    """The limit is in bytes, not in characters."""
    long = '{"ts":1700000000123,"series":"%s","value":1}' % ("é" * 512 + "x")
    fits = '{"ts":1700000000123,"series":"%s","value":1}' % ("é" * 512)
    batch = decode(choice, spec(), long.encode(), fits.encode())
    assert batch.refusal.tolist() == [Reason.BAD_SERIES, 0]


PRECEDENCE = [
    (b'{"ts":"x","series":"","value":"x"', Reason.MALFORMED),
    (b'{"series":"","value":"x"}', Reason.MISSING_FIELD),
    (b'{"ts":"x","value":"x"}', Reason.BAD_TIME),
    (b'{"ts":1,"value":"x"}', Reason.TIME_OUT_OF_RANGE),
    (b'{"ts":1700000000123,"series":"","value":"x"}', Reason.BAD_SERIES),
    (b'{"ts":1700000000123,"value":"x"}', Reason.MISSING_FIELD),
    (b'{"ts":1700000000123,"series":"a","value":"x"}', Reason.NOT_A_NUMBER),
]


@pytest.mark.parametrize(("payload", "reason"), PRECEDENCE)
def test_the_first_reason_in_the_written_order_stands(choice: DecoderChoice, payload: bytes, reason: Reason) -> None:
    """Of several broken rules: payload, then time, then series, then values."""
    assert decode(choice, spec(), payload).refusal.tolist() == [reason]


def test_a_bad_record_fails_alone(choice: DecoderChoice) -> None:
    """Rows around a refused one are whole, in order, and keep their offsets."""
    good = [b'{"ts":%d,"series":"s%d","value":%d}' % (T_MS + i, i, i) for i in range(5)]
    batch = decode(choice, spec(), good[0], b"{", good[1], None, good[2], good[3].replace(b"3}", b"3e0}"), good[4])
    assert batch.refusal.tolist() == [0, Reason.MALFORMED, 0, Reason.NO_PAYLOAD, 0, 0, 0]
    assert [batch.key[row] for row in range(7)] == [b"s0", b"", b"s1", b"", b"s2", b"s3", b"s4"]
    assert batch.values[[0, 2, 4, 5, 6], 0].tolist() == [0, 1, 2, 3, 4]
    assert batch.time_ns[[0, 2, 4, 5, 6]].tolist() == [T_NS + i * 1_000_000 for i in range(5)]
    assert batch.offset.tolist() == list(range(100, 107))
    assert batch.refused() == {1: RawRecord(b"{"), 3: RawRecord(None)}


def test_a_refused_row_keeps_key_and_headers(choice: DecoderChoice) -> None:
    """Dead letters need the record as it arrived; headers are asked for refused rows only."""
    asked: list[int] = []

    def headers(row: int) -> tuple[tuple[str, bytes | None], ...]:
        asked.append(row)
        return (("trace", b"x"),)

    payloads = [b'{"ts":1700000000123,"series":"a","value":1}', b"?"]
    raw = RawBatch.of(payloads, np.arange(2), [b"k0", b"k1"], headers)
    batch = json_decoder(spec(), choice, SCAN).decode(STREAM, raw)
    assert batch.refused() == {1: RawRecord(b"?", b"k1", (("trace", b"x"),))}
    assert asked == [1]


def test_an_empty_batch_stays_one(choice: DecoderChoice) -> None:
    """No records give no rows, with columns of the right shape."""
    batch = decode(choice, spec(values=("a", "b")))
    assert len(batch) == 0
    assert batch.values.shape == (0, 2)


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


def test_several_series_fields_are_joined_with_escapes(choice: DecoderChoice) -> None:
    """Different fields never make equal keys."""
    record = spec(series=("a", "b"))
    parts = [(b'"x"', b'"y"'), (b'"x|y"', b'"z"'), (b'"x"', b'"y|z"'), (b'"x\\\\"', b'"|"'), (b"7", b'"y"')]
    payloads = [b'{"ts":1700000000123,"a":%s,"b":%s,"value":1}' % part for part in parts]
    batch = decode(choice, record, *payloads)
    expected = [b"x|y", b"x\\|y|z", b"x|y\\|z", b"x\\\\|\\|", b"7|y"]
    assert [batch.key[row] for row in range(5)] == expected


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (b'"a":"x"', Reason.MISSING_FIELD),
        (b'"a":"x","b":""', Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 300), Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 261 + b"yy"), Reason.BAD_SERIES),
        (b'"a":"%s","b":"%s"' % (b"x" * 500, b"|" * 261 + b"y"), Reason.ACCEPTED),
    ],
)
def test_a_key_of_several_fields_keeps_the_rules_of_one(choice: DecoderChoice, parts: bytes, reason: Reason) -> None:
    """Each field must be there, and the whole key with its escapes must fit into 1024 bytes."""
    record = spec(series=("a", "b"))
    assert decode(choice, record, b'{"ts":1700000000123,%s,"value":1}' % parts).refusal.tolist() == [reason]


def test_without_series_fields_a_partition_is_one_series(choice: DecoderChoice) -> None:
    """The key is the number of the partition."""
    batch = decode(choice, spec(series=()), b'{"ts":1700000000123,"value":1}', b'{"ts":1700000000123,"value":2}')
    assert [batch.key[0], batch.key[1]] == [b"7", b"7"]


def test_the_message_key_can_name_the_series(choice: DecoderChoice) -> None:
    """It must be there, UTF-8, and of 1 to 1024 bytes."""
    record = spec(series=(), series_from="message_key")
    keys = [b"pump", None, b"", b"\xff", "Köln".encode(), b"x" * 1024, b"x" * 1025]
    good = b'{"ts":1700000000123,"value":1}'
    batch = json_decoder(record, choice, SCAN).decode(STREAM, raw_of(*[good] * 7, keys=keys))
    bad = Reason.BAD_SERIES
    assert batch.refusal.tolist() == [0, bad, bad, bad, 0, 0, bad]
    assert [batch.key[row] for row in (0, 1, 4, 5)] == [b"pump", b"", "Köln".encode(), b"x" * 1024]


def test_without_message_keys_none_can_name_a_series(choice: DecoderChoice) -> None:
    """An input that has no keys refuses its records rather than making one series of them."""
    record = spec(series=(), series_from="message_key")
    assert decode(choice, record, b'{"ts":1700000000123,"value":1}').refusal.tolist() == [Reason.BAD_SERIES]


def test_records_without_time_are_all_at_zero(choice: DecoderChoice) -> None:
    """The time field is not read; nothing is out of range."""
    record = RecordSpec(time=NoTime(field="none"), series=("series",), values=("value",))
    batch = decode(choice, record, b'{"series":"a","value":1}', b'{"none":"x","series":"a","value":2}', b"{}")
    assert batch.refusal.tolist() == [0, 0, Reason.MISSING_FIELD]
    assert batch.time_ns.tolist() == [0, 0, 0]


def test_one_field_may_have_several_roles(choice: DecoderChoice) -> None:
    """A field can be a value and the series, or a value and the time."""
    record = spec(series=("sensor",), values=("sensor", "ts"))
    batch = decode(choice, record, b'{"ts":1700000000123,"sensor":12}')
    assert batch.key[0] == b"12"
    assert batch.values.tolist() == [[12.0, float(T_MS)]]


def test_several_values_keep_the_order_of_the_flow(choice: DecoderChoice) -> None:
    """Not the order of the record."""
    batch = decode(choice, spec(values=("x", "y")), b'{"y":2,"ts":1700000000123,"x":1,"series":"a"}')
    assert batch.values.tolist() == [[1.0, 2.0]]


def test_dots_go_into_nested_objects() -> None:
    """Nested fields are read by the portable decoder, which `auto` takes by itself."""
    record = RecordSpec(time=TimeSpec(field="meta.ts", format="ms"), series=("meta.id.name",), values=("data.v",))
    good = b'{"meta":{"ts":1700000000123,"id":{"name":"a"}},"data":{"v":1}}'
    flat = b'{"meta.ts":1700000000123,"meta.id.name":"a","data.v":1}'
    broken = b'{"meta":{"ts":1700000000123,"id":"name"},"data":{"v":1}}'
    decoder = json_decoder(record, "auto", SCAN)
    batch = decoder.decode(STREAM, raw_of(good, flat, broken))
    assert isinstance(decoder, PortableJsonDecoder)
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD, Reason.MISSING_FIELD]
    assert (batch.key[0], batch.values[0, 0]) == (b"a", 1.0)


@pytest.mark.parametrize("name", ["a.b", 'a"b', "a\\b", "a\tb"])
def test_fast_says_when_it_cannot_read_a_field(name: str) -> None:
    """The operator asked for something that is not there, and learns what to write instead."""
    with pytest.raises(ConfigError, match=r"source\.decoder: must be 'auto' or 'portable'"):
        json_decoder(spec(values=(name,)), "fast")


def test_auto_is_the_fast_decoder_for_flat_records() -> None:
    """Nested objects and odd names are the only reasons not to be fast."""
    assert isinstance(json_decoder(spec()), FastJsonDecoder)


def test_what_machines_write_is_scanned_without_the_portable_decoder() -> None:
    """The usual forms must not fall back silently: that would be ten times slower."""
    usual = [
        b'{"ts":1700000395954,"series":"host-03851","value":52.1708}',
        b'{"ts": 1700000395954, "series": "host-03851", "value": -52, "unit": "C", "ok": true, "x": null}',
        b'{"ts":1700000395954,"series":"host","value":51.70391283921543}',
        '{"ts":1700000395954.25,"series":"Münster","value":0.001}'.encode(),
    ]
    assert _scanned(spec(), usual) == [True] * 4
    iso = [b'{"ts":"2023-11-14T22:13:20.123+01:00","a":"x|","b":3,"value":1}']
    assert _scanned(spec(time={"field": "ts"}, series=("a", "b")), iso) == [True]


def _scanned(record: RecordSpec, payloads: list[bytes]) -> list[bool]:
    """Return which payloads the scanner accepts (white box: what it leaves is not visible outside)."""
    seen: list[list[bool]] = []

    def watched(*arguments: Any) -> None:
        SCAN(*arguments)
        seen.append(arguments[12].tolist())

    FastJsonDecoder(record, watched).decode(STREAM, raw_of(*payloads))
    return seen[0]


def test_decimal_quotients_round_like_python() -> None:
    """The compiled conversion gives Python's double or declines, rarely, on 18 digits and hard cases."""
    random = np.random.default_rng(20)
    digits = random.integers(10**13, 10**18, 20_000)
    places = random.integers(0, 19, 20_000)
    declined = 0
    for mantissa, decimals in zip(digits.tolist(), places.tolist(), strict=True):
        found = quotient(mantissa, decimals)
        declined += math.isnan(found)
        assert math.isnan(found) or found == float(f"{mantissa}e-{decimals}")
    assert declined < 200


def test_decimal_quotients_that_lie_half_way_are_never_wrong() -> None:
    """Odd 54-bit integers times a power of five are exact ties between two doubles."""
    for decimals in range(1, 3):
        for odd in range(1, 2001, 2):
            mantissa = (2**53 + odd) * 5**decimals
            if mantissa < 10**18:
                found = quotient(mantissa, decimals)
                assert math.isnan(found) or found == float(f"{mantissa}e-{decimals}")
