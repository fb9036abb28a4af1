"""The compiled Avro decoder gives what the portable one gives, for any flat schema and any bytes."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cached_kernels import SCAN_AVRO
from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.avro_fast import FastAvroDecoder, avro_decoder
from pynomaly_connectors.codecs.avro_schema import AvroSchema
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.registry.client import RegisteredSchema

STREAM = Stream("records", 3)

times = st.integers(-(2**63), 2**63 - 1) | st.integers(1_600_000_000_000, 1_800_000_000_000)
texts = st.text(max_size=12) | st.sampled_from(["a|b", "\\", "é", "2023-11-14T22:13:20Z", "x" * 1025])
VALUES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "long": ("long", times),
    "millis": ({"type": "long", "logicalType": "timestamp-millis"}, times),
    "int": ("int", st.integers(-(2**31), 2**31 - 1)),
    "double": ("double", st.floats()),
    "float": ("float", st.floats(width=32)),
    "string": ("string", texts),
    "bytes": ("bytes", st.binary(max_size=9)),
    "boolean": ("boolean", st.booleans()),
    "fixed": ({"type": "fixed", "size": 3}, st.binary(min_size=3, max_size=3)),
    "enum": ({"type": "enum", "symbols": ["A", "B"]}, st.sampled_from(["A", "B"])),
}
NAMED = {"fixed", "enum"}


@st.composite
def _fields(draw: st.DrawFn, names: list[str]) -> list[tuple[str, Any, st.SearchStrategy[Any]]]:
    found = []
    for name in names:
        usual = {"t": ["long", "millis", "string"], "s": ["string"], "r": ["string"]}.get(name, ["double", "long"])
        kind = draw(st.sampled_from(usual) | st.sampled_from(sorted(VALUES)))
        schema, values = VALUES[kind]
        schema = {**schema, "name": f"n_{name}"} if kind in NAMED else schema
        null = draw(st.sampled_from(["never", "first", "last"]))
        if null != "never":
            schema = ["null", schema] if null == "first" else [schema, "null"]
            values = st.none() | values
        found.append((name, schema, values))
    return found


@st.composite
def _batches(draw: st.DrawFn) -> tuple[Any, list[bytes]]:
    """Make a schema with an inner record, and bodies: as it says, cut, lengthened, with a byte changed, or any."""
    outer = draw(_fields(draw(st.permutations(["t", "s", "r", "v", "x"]))))
    inner = draw(_fields(["w", "y"]))
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": kind} for name, kind, _ in outer],
    }
    below = {"type": "record", "name": "I", "fields": [{"name": name, "type": kind} for name, kind, _ in inner]}
    schema["fields"].insert(draw(st.integers(0, 5)), {"name": "i", "type": ["null", below]})
    below_values = st.none() | st.fixed_dictionaries({name: values for name, _, values in inner})
    record = st.fixed_dictionaries({**{name: values for name, _, values in outer}, "i": below_values})
    parsed = fastavro.parse_schema(schema)
    bodies = [_written(parsed, values) for values in draw(st.lists(record, min_size=1, max_size=5))]
    return schema, [draw(_damaged(body)) for body in bodies]


def _written(parsed: Any, values: Any) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, parsed, values)
    return stream.getvalue()


def _damaged(body: bytes) -> st.SearchStrategy[bytes]:
    place = st.integers(0, max(0, len(body) - 1))
    return st.one_of(
        st.just(body),
        st.just(body),
        place.map(lambda end: body[:end]),
        st.binary(max_size=3).map(lambda more: body + more),
        st.builds(lambda at, byte: body[:at] + bytes([byte]) + body[at + 1 :], place, st.integers(0, 255)),
        st.binary(max_size=30),
    )


RECORDS = [
    {"time": {"field": "t", "format": "ms"}, "series": ("s",), "values": ("v",)},
    {"time": {"field": "t", "format": "iso8601"}, "series": ("s", "r"), "values": ("v", "i.w")},
    {"time": {"field": "t", "format": "ns"}, "series": (), "values": ("i.w",)},
    {"time": {"field": "t", "format": "s"}, "series": (), "series_from": "message_key", "values": ("v",)},
]


@settings(max_examples=300)
@given(_batches(), st.sampled_from(RECORDS))
def test_equal_rows(batch: tuple[Any, list[bytes]], fields: dict[str, Any]) -> None:
    """Times, keys, values and reasons, bit for bit."""
    schema, bodies = batch
    spec = RecordSpec.model_validate(fields)
    parsed = AvroSchema.of(RegisteredSchema("AVRO", json.dumps(schema)))
    fast, portable = avro_decoder(spec, parsed, None, SCAN_AVRO), avro_decoder(spec, parsed, None, None)
    raw = RawBatch.of(bodies, np.arange(len(bodies)), [b"key"] * len(bodies))
    ours, theirs = fast.decode(STREAM, raw), portable.decode(STREAM, raw)
    assert ours.refusal.tolist() == theirs.refusal.tolist()
    assert ours.time_ns.tolist() == theirs.time_ns.tolist()
    assert [ours.key[row] for row in range(len(raw))] == [theirs.key[row] for row in range(len(raw))]
    np.testing.assert_array_equal(ours.values.view(np.int64), theirs.values.view(np.int64))


def test_plain_schemas_have_a_plan() -> None:
    """Else the property above would compare the portable decoder with itself."""
    spec = RecordSpec.model_validate(RECORDS[1])
    names = {"t": "string", "s": "string", "r": "string", "v": "double", "i": {
        "type": "record", "name": "I", "fields": [{"name": "w", "type": ["null", "float"]}]}}  # fmt: skip
    schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in names.items()]}
    parsed = AvroSchema.of(RegisteredSchema("AVRO", json.dumps(schema)))
    assert isinstance(avro_decoder(spec, parsed, None, SCAN_AVRO), FastAvroDecoder)
