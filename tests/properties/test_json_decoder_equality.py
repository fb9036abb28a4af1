"""The fast JSON decoder gives what the portable one gives, for any bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cached_kernels import SCAN
from pynomaly.application.spec.dedupe import DedupeSpec, identified_record
from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.json_fast import FastJsonDecoder
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.payload import RawBatch

STREAM = Stream("records", 3)


def _record(time_format: str, **changes: Any) -> RecordSpec:
    fields = {"time": {"field": "t", "format": time_format}, "series": ("s",), "values": ("v",), "max_bytes": 400}
    return RecordSpec.model_validate({**fields, **changes})


RECORDS = [
    _record("ms"),
    _record("s", values=("v", "w")),
    _record("ns", series=()),
    _record("us", series=("s", "w")),
    _record("iso8601", series=("s", "é"), values=("w", "v")),
    _record("iso8601", series=(), series_from="message_key"),
    _record("ms", time={"from": "message_timestamp"}, values=("v", "t")),
    identified_record(DedupeSpec(field="s"), _record("ms")),
]
DECODERS = [(FastJsonDecoder(record, SCAN), PortableJsonDecoder(record)) for record in RECORDS]

digits = st.text("0123456789", min_size=1, max_size=22)
numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(1_600_000_000_000_000_000, 1_800_000_000_000_000_000).map(lambda n: str(n)[:13]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e9, 1e9).map(repr),
    st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), st.integers(0, 10**18), digits),
    st.builds("{}.{}".format, st.integers(1_600_000_000, 1_800_000_000), digits),
    st.builds("{}e{}".format, st.integers(-999, 999), st.integers(-330, 330)),
    st.sampled_from(
        ["-0", "-0.0", "00", "0.", "1e400", "NaN", "-Infinity", "9007199254740993", "0.1e-400", "1E+2", "-"]
    ),
)
two = st.integers(0, 70).map("{:02d}".format)
isos = st.one_of(
    st.datetimes().map(lambda moment: f'"{moment.isoformat()}Z"'),
    st.builds(
        '"{}-{}-{}{}{}:{}:{}{}{}"'.format,
        st.sampled_from(["2023", "2024", "1900", "1677", "2262", "0000"]),
        two,
        two,
        st.sampled_from(["T", " ", "t", ""]),
        two,
        two,
        two,
        st.one_of(st.just(""), digits.map(".{}".format)),
        st.sampled_from(["", "Z", "z", "+01:30", "-23:59", "+24:00", "+0100", "-08", " Z"]),
    ),
)
texts = st.one_of(
    st.text(max_size=8).map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    st.sampled_from(['""', '"a|b"', '"a\\\\b"', '"\\u0041"', '"\\ud800"', '"' + "x" * 300 + '"', '"\x7f"', '"Köln"']),
)
others = st.sampled_from(["true", "false", "null", "[]", "{}", '[1,{"t":2}]', "tru", "nul", "", "{"])
names = st.sampled_from(['"t"', '"s"', '"v"', '"w"', '"é"', '"x"', '"\\u0074"', '""', '"tt"', "t"])
spaces = st.sampled_from(["", "", "", " ", "\n", "\t \r", "\x0b", "\xa0"])
times = st.one_of(isos, numbers)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """Nearly always a JSON object, with the declared fields nearly always in it."""
    members = [
        f'"t":{draw(times)}',
        f'"s":{draw(texts | numbers)}',
        f'"v":{draw(numbers)}',
        f'"w":{draw(numbers | texts)}',
        f'"é":{draw(texts)}',
    ]
    members += draw(st.lists(st.builds("{}:{}".format, names, st.one_of(numbers, texts, others)), max_size=2))
    members = draw(st.permutations(members))[: draw(st.sampled_from([7, 7, 7, 4]))]
    comma = f"{draw(spaces)},{draw(spaces)}"
    text = f"{draw(spaces)}{{{draw(spaces)}{comma.join(members)}{draw(spaces)}}}{draw(spaces)}"
    return text.encode("utf-8", "surrogatepass")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An object with a few bytes changed, dropped or added."""
    payload = bytearray(draw(objects()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(payload) - 1, 0)))
        byte = draw(st.one_of(st.sampled_from(b'"\\{}[]:,.-+eE0 \t\n'), st.integers(0, 255)))
        payload[place : place + draw(st.integers(0, 2))] = bytes([byte]) * draw(st.integers(0, 2))
    return bytes(payload)


payloads = st.one_of(objects(), mutated(), st.binary(max_size=60), st.none())
timestamps = st.one_of(st.integers(-1, 5_000_000_000_000), st.sampled_from([0, -(2**63), 2**63 - 1, 9_223_372_036_854]))
keys = st.one_of(st.none(), st.binary(max_size=6), st.text(max_size=6).map(str.encode), st.just(b"k" * 1025))


def assert_equal(fast: RecordBatch, portable: RecordBatch) -> None:
    """Compare batches bit by bit."""
    assert fast.refusal.tolist() == portable.refusal.tolist()
    assert fast.time_ns.tolist() == portable.time_ns.tolist()
    assert fast.values.shape == portable.values.shape
    same = (fast.values.view(np.int64) == portable.values.view(np.int64)) | np.isnan(fast.values)
    assert same.all()
    assert np.isnan(fast.values).tolist() == np.isnan(portable.values).tolist()
    assert [fast.key[row] for row in range(len(fast))] == [portable.key[row] for row in range(len(fast))]
    assert fast.offset.tolist() == portable.offset.tolist()
    assert fast.refused() == portable.refused()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.tuples(payloads, keys, timestamps), max_size=12))
@pytest.mark.parametrize("decoders", DECODERS, ids=[str(number) for number in range(len(DECODERS))])
def test_both_decoders_give_the_same_rows(
    decoders: tuple[FastJsonDecoder, PortableJsonDecoder], records: list[tuple[bytes | None, bytes | None, int]]
) -> None:
    """Every column, every reason and every kept byte, for arbitrary, broken and adversarial payloads."""
    times_ms = np.array([time_ms for _, _, time_ms in records], np.int64)
    payload = [payload for payload, _, _ in records]
    raw = RawBatch.of(payload, np.arange(len(records)), [key for _, key, _ in records], timestamps=lambda: times_ms)
    fast, portable = decoders
    assert_equal(fast.decode(STREAM, raw), portable.decode(STREAM, raw))
