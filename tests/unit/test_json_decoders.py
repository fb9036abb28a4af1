"""The rules of reading JSON records, on both decoders."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cached_kernels import SCAN
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.choose import DecoderChoice, json_decoder
from pynomaly_connectors.codecs.payload import RawBatch
from unit.json_batches import STREAM, T_MS, T_NS, decode, spec

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
