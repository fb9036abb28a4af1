"""The rules of reading Avro records, on the compiled and on the portable decoder."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, Literal

import fastavro
import numpy as np
import pytest

from cached_kernels import SCAN_AVRO
from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.avro_fast import FastAvroDecoder, avro_decoder
from pynomaly_connectors.codecs.avro_schema import AvroSchema
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError

STREAM = Stream("records", 3)
T_MS = 1_700_000_000_123
T_NS = T_MS * 1_000_000
MOMENT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)

Choice = Literal["fast", "portable"]


def _spec(**changes: Any) -> RecordSpec:
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)}
    return RecordSpec.model_validate({**fields, **changes})


def _record(**types: Any) -> dict[str, Any]:
    fields = {"ts": "long", "series": "string", "value": "double", **types}
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}


def _parsed(schema: Any, **references: Any) -> AvroSchema:
    texts = {name: json.dumps(text) for name, text in references.items()}
    return AvroSchema.of(RegisteredSchema("AVRO", json.dumps(schema), texts))


def _body(schema: Any, **values: Any) -> bytes:
    stream = BytesIO()
    record = {"ts": T_MS, "series": "a", "value": 1.5, **values}
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), record)
    return stream.getvalue()


def _decode(
    choice: Choice, schema: Any, *bodies: bytes, reader: Any = None, spec: RecordSpec | None = None
) -> RecordBatch:
    scan = SCAN_AVRO if choice == "fast" else None
    as_read = None if reader is None else _parsed(reader)
    decoder = avro_decoder(spec or _spec(), _parsed(schema), as_read, scan)
    return decoder.decode(STREAM, RawBatch.of(bodies, np.arange(len(bodies))))


def _one(choice: Choice, schema: Any, spec: RecordSpec | None = None, **values: Any) -> RecordBatch:
    return _decode(choice, schema, _body(schema, **values), spec=spec)


def test_the_compiled_decoder_reads_flat_records() -> None:
    """What is flat, and what may be null, has a plan; arrays and maps have none."""
    scanned = _record(value=["null", "double"], extra={"type": "enum", "name": "E", "symbols": ["X"]})
    assert isinstance(avro_decoder(_spec(), _parsed(scanned), None, SCAN_AVRO), FastAvroDecoder)
    left = _record(tags={"type": "array", "items": "string"})
    assert not isinstance(avro_decoder(_spec(), _parsed(left), None, SCAN_AVRO), FastAvroDecoder)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("double", -0.1, -0.1),
        ("float", 0.1, float(np.float32(0.1))),
        ("int", -7, -7.0),
        ("long", 2**53 + 1, float(2**53)),
        ("long", -(2**63), float(-(2**63))),
        (["null", "double"], 2.5, 2.5),
        (["double", "null"], 2.5, 2.5),
        (["null", "long", "double"], 2.5, 2.5),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}, Decimal("12.345"), 12.345),
        (
            ["null", {"type": "fixed", "name": "F", "size": 6, "logicalType": "decimal", "precision": 9, "scale": 1}],
            Decimal("-0.5"),
            -0.5,
        ),
        ({"type": "int", "logicalType": "time-millis"}, 1_000, 1_000.0),
    ],
)
def test_numbers(choice: Choice, kind: Any, written: Any, value: float) -> None:
    """Every number type, decimals included, alone or in a union with null."""
    batch = _one(choice, _record(value=kind), value=written)
    assert batch.refusal.tolist() == [0]
    assert batch.values.tolist() == [[value]]
    assert (batch.key[0], batch.time_ns.tolist()) == (b"a", [T_NS])


@pytest.mark.parametrize("time_format", ["iso8601", "s"])
@pytest.mark.parametrize(
    ("logical", "kind", "written", "time_ns"),
    [
        ("timestamp-millis", "long", MOMENT, T_NS),
        ("timestamp-micros", "long", MOMENT.replace(microsecond=123_456), T_NS + 456_000),
        ("timestamp-nanos", "long", T_NS + 456_789, T_NS + 456_789),
        ("local-timestamp-millis", "long", MOMENT.replace(tzinfo=None), T_NS),
        ("date", "int", date(2023, 11, 14), 1_699_920_000_000_000_000),
    ],
)
def test_timestamps_are_moments_by_their_type(
    choice: Choice, time_format: str, logical: str, kind: str, written: Any, time_ns: int
) -> None:
    """Whatever the flow's time format says, alone or in a union with null; no digit is lost."""
    spec = _spec(time={"field": "ts", "format": time_format})
    for schema_type in ({"type": kind, "logicalType": logical}, ["null", {"type": kind, "logicalType": logical}]):
        batch = _one(choice, _record(ts=schema_type), spec, ts=written)
        assert batch.refusal.tolist() == [0]
        assert batch.time_ns.tolist() == [time_ns]


def test_text_times_follow_the_flows_format(choice: Choice) -> None:
    """A string is read as in JSON."""
    spec = _spec(time={"field": "ts"})
    batch = _one(choice, _record(ts="string"), spec, ts="2023-11-14T22:13:20.123Z")
    assert batch.time_ns.tolist() == [T_NS]
    assert _one(choice, _record(ts="string"), spec, ts="yesterday").refusal.tolist() == [Reason.BAD_TIME]
    assert _one(choice, _record(ts="string"), ts="1700000000123").refusal.tolist() == [Reason.BAD_TIME]


def test_nested_fields_and_keys_of_several_fields(choice: Choice) -> None:
    """Dots go into records, also where those may be null; keys are joined and escaped as in JSON."""
    inner = {"type": "record", "name": "I", "fields": [{"name": "at", "type": "long"}, {"name": "v", "type": "float"}]}
    schema = _record(ts="string", meta=["null", inner], plant="string")
    spec = _spec(time={"field": "meta.at", "format": "ms"}, values=("meta.v", "value"), series=("plant", "series"))
    whole = _body(schema, ts="-", meta={"at": T_MS, "v": 0.5}, plant="x|y\\", series="é")
    without = _body(schema, ts="-", meta=None, plant="x")
    batch = _decode(choice, schema, whole, without, whole, spec=spec)
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD, 0]
    assert batch.key[0] == batch.key[2] == "x\\|y\\\\|é".encode()
    assert batch.values[0].tolist() == [0.5, 1.5]


def test_maps_and_enums(choice: Choice) -> None:
    """A map is entered by a key, an enum is its symbol."""
    schema = _record(
        series={"type": "enum", "name": "E", "symbols": ["LOW", "HIGH"]}, more={"type": "map", "values": "double"}
    )
    batch = _one(choice, schema, _spec(values=("more.x",)), series="HIGH", more={"x": 4.0, "y": 5.0})
    assert (batch.key[0], batch.values.tolist()) == (b"HIGH", [[4.0]])


@pytest.mark.parametrize(
    ("types", "values", "reason"),
    [
        ({"value": ["null", "double"]}, {"value": None}, Reason.MISSING_FIELD),
        ({"value": "double"}, {"value": float("nan")}, Reason.NOT_FINITE),
        ({"value": "float"}, {"value": float("-inf")}, Reason.NOT_FINITE),
        ({"value": "string"}, {"value": "1.5"}, Reason.NOT_A_NUMBER),
        ({"value": "boolean"}, {"value": True}, Reason.NOT_A_NUMBER),
        ({"ts": ["null", "long"]}, {"ts": None}, Reason.MISSING_FIELD),
        ({"ts": "long"}, {"ts": 17}, Reason.TIME_OUT_OF_RANGE),
        ({"ts": {"type": "long", "logicalType": "timestamp-micros"}}, {"ts": 2**62}, Reason.TIME_OUT_OF_RANGE),
        ({"ts": "boolean"}, {"ts": True}, Reason.BAD_TIME),
        ({"series": ["null", "string"]}, {"series": None}, Reason.MISSING_FIELD),
        ({"series": "string"}, {"series": ""}, Reason.BAD_SERIES),
        ({"series": "string"}, {"series": "x" * 1025}, Reason.BAD_SERIES),
        ({"series": "bytes"}, {"series": b"a"}, Reason.BAD_SERIES),
    ],
)
def test_what_is_refused(choice: Choice, types: Any, values: Any, reason: Reason) -> None:
    """The reasons are those of every format."""
    assert _one(choice, _record(**types), **values).refusal.tolist() == [reason]


def test_bytes_that_do_not_match_the_schema(choice: Choice) -> None:
    """Too few, too many, a branch that is none, text that is no UTF-8: each alone, its neighbours are read."""
    schema = _record(value=["null", "double"])
    good = _body(schema)
    place = good.index(b"\x02a")
    bad = [
        good[:-1],
        good + b"\x00",
        b"",
        good[:place] + b"\x02\xff" + good[place + 2 :],
        good[:-9] + b"\x06" + good[-8:],
    ]
    for body in bad:
        batch = _decode(choice, schema, good, body, good)
        assert batch.refusal.tolist() == [0, Reason.SCHEMA_MISMATCH, 0], body


def test_evolution_without_a_reader_schema(choice: Choice) -> None:
    """Fields that are added, moved or widened change nothing; a needed one that is gone is missing."""
    added = {"type": "record", "name": "R", "fields": [{"name": "new", "type": "string"}, *_record(ts="int")["fields"]]}
    added["fields"][1], added["fields"][3] = added["fields"][3], added["fields"][1]
    added["fields"][3] = {"name": "ts", "type": "long"}
    assert _one(choice, added, new="x").refusal.tolist() == [0]
    gone = {"type": "record", "name": "R", "fields": _record()["fields"][:2]}
    assert _one(choice, gone).refusal.tolist() == [Reason.MISSING_FIELD]


def test_evolution_with_a_reader_schema(choice: Choice) -> None:
    """Its defaults and aliases stand in for what the writer left out or called otherwise."""
    written = _record()
    reader = _record(unit="string")
    reader["fields"][2] = {"name": "reading", "aliases": ["value"], "type": "double"}
    reader["fields"][3]["default"] = "C"
    spec = _spec(series=("series", "unit"), values=("reading",))
    batch = _decode(choice, written, _body(written), reader=reader, spec=spec)
    assert (batch.refusal.tolist(), batch.key[0], batch.values.tolist()) == ([0], b"a|C", [[1.5]])
    strict = _record(unit="string")
    assert _decode(choice, written, _body(written), reader=strict).refusal.tolist() == [Reason.SCHEMA_MISMATCH]


def test_referred_schemas() -> None:
    """A name that another subject defines is found among the references."""
    inner = {"type": "record", "name": "I", "namespace": "x", "fields": [{"name": "v", "type": "double"}]}
    schema = _parsed(_record(more="x.I"), **{"x.I": inner})
    decoder = avro_decoder(_spec(values=("more.v",)), schema, None, None)
    body = _body(_record(more=inner), more={"v": 7.5})
    assert decoder.decode(STREAM, RawBatch.of([body], np.arange(1))).values.tolist() == [[7.5]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        '{"type": "record"}',
        '{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}',
        '{"type":"record","name":"L","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}',
    ],
)
def test_schemas_that_nothing_is_read_by(text: str) -> None:
    """No schema at all, or one by which a few bytes could stand for endless data or overflow the stack."""
    with pytest.raises(UnusableSchemaError):
        AvroSchema.of(RegisteredSchema("AVRO", text))


def test_keys_beside_the_body(choice: Choice) -> None:
    """The message key, or the partition, names the series."""
    decoder = avro_decoder(
        _spec(series=(), series_from="message_key"), _parsed(_record()), None, SCAN_AVRO if choice == "fast" else None
    )
    raw = RawBatch.of([_body(_record())] * 3, np.arange(3), [b"k", None, b"\xff"])
    batch = decoder.decode(STREAM, raw)
    assert batch.refusal.tolist() == [0, Reason.BAD_SERIES, Reason.BAD_SERIES]
    assert batch.key[0] == b"k"
    assert _one(choice, _record(), _spec(series=())).key[0] == b"3"
