"""The rules of reading Protobuf records, by schemas as text and as descriptors."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.codecs.protobuf_rows import protobuf_rows
from pynomaly_connectors.codecs.protobuf_schema import compile_proto, message_type
from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError

STREAM = Stream("records", 3)
T_MS = 1_700_000_000_123
PROTO = """
syntax = "proto3";
package lab;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Other { int32 a = 1; message Inner { string series = 1; double value = 2; int64 ts = 3; } }
message Reading {
  enum Site { NORTH = 0; SOUTH = 1; }
  int64 ts = 1;
  string series = 2;
  double value = 3;
  optional double maybe = 4;
  google.protobuf.Timestamp at = 5;
  google.protobuf.DoubleValue wrapped = 6;
  map<string, double> more = 7;
  map<int32, double> numbered = 8;
  Other.Inner inner = 9;
  Site site = 10;
  bool on = 11;
  repeated double many = 12;
  oneof either { double left = 13; string right = 14; }
  map<string, Other.Inner> inners = 15;
  float narrow = 16;
  uint64 large = 17;
  bytes raw = 18;
}
"""


@pytest.fixture(scope="module")
def file() -> Any:
    """The compiled schema."""
    return compile_proto(RegisteredSchema("PROTOBUF", PROTO))


@pytest.fixture(scope="module")
def reading(file: Any) -> Callable[..., bytes]:
    """Make the body of a reading; its message is the second of the file."""
    kind = GetMessageClass(message_type(file, [1]))
    return lambda **fields: (
        b"\x02\x02" + kind(**{"ts": T_MS, "series": "a", "value": 1.5, **fields}).SerializeToString()
    )


def _decode(file: Any, *bodies: bytes, **changes: Any) -> RecordBatch:
    fields = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",), **changes}
    decoder = protobuf_rows(RecordSpec.model_validate(fields), file)
    return decoder.decode(STREAM, RawBatch.of(bodies, np.arange(len(bodies)), [b"k"] * len(bodies)))


@pytest.mark.parametrize(
    ("name", "fields", "value"),
    [
        ("value", {"value": -0.5}, -0.5),
        ("value", {"value": 0.0}, 0.0),
        ("maybe", {"maybe": 0.0}, 0.0),
        ("wrapped", {"wrapped": {"value": 0.0}}, 0.0),
        ("more.x", {"more": {"x": 4.0}}, 4.0),
        ("inner.value", {"inner": {"value": 7.0}}, 7.0),
        ("inner.value", {"inner": {}}, 0.0),
        ("inners.x.value", {"inners": {"x": {"value": 2.0}}}, 2.0),
        ("left", {"left": 3.0}, 3.0),
        ("narrow", {"narrow": 0.1}, float(np.float32(0.1))),
        ("large", {"large": 2**64 - 1}, float(2**64)),
    ],
)
def test_values(file: Any, reading: Callable[..., bytes], name: str, fields: Any, value: float) -> None:
    """Defaults that were not sent are there; maps and messages are entered by dots."""
    batch = _decode(file, reading(**fields), values=(name,))
    assert (batch.refusal.tolist(), batch.values.tolist()) == ([0], [[value]])
    assert (batch.key[0], batch.time_ns.tolist()) == (b"a", [T_MS * 1_000_000])


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("maybe", {}, Reason.MISSING_FIELD),
        ("wrapped", {}, Reason.MISSING_FIELD),
        ("inner.value", {}, Reason.MISSING_FIELD),
        ("left", {"right": "x"}, Reason.MISSING_FIELD),
        ("more.y", {"more": {"x": 1.0}}, Reason.MISSING_FIELD),
        ("numbered.y", {"numbered": {1: 1.0}}, Reason.MISSING_FIELD),
        ("nowhere", {}, Reason.MISSING_FIELD),
        ("on", {"on": True}, Reason.NOT_A_NUMBER),
        ("many", {"many": [1.0]}, Reason.NOT_A_NUMBER),
        ("site", {}, Reason.NOT_A_NUMBER),
        ("series", {}, Reason.NOT_A_NUMBER),
        ("at", {"at": {"seconds": 5}}, Reason.NOT_A_NUMBER),
        ("value", {"value": float("nan")}, Reason.NOT_FINITE),
    ],
)
def test_what_is_no_value(file: Any, reading: Callable[..., bytes], name: str, fields: Any, reason: Reason) -> None:
    """Fields that say whether they are there may be missing; the rest are the reasons of every format."""
    assert _decode(file, reading(**fields), values=(name,)).refusal.tolist() == [reason]


def test_a_timestamp_is_a_moment(file: Any, reading: Callable[..., bytes]) -> None:
    """Whatever the flow's time format says; to the nanosecond."""
    body = reading(at={"seconds": 1_700_000_000, "nanos": 123_456_789})
    batch = _decode(file, body, reading(), time={"field": "at"})
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD]
    assert batch.time_ns.tolist() == [1_700_000_000_123_456_789, 0]


def test_an_enum_may_name_a_series(file: Any, reading: Callable[..., bytes]) -> None:
    """By the name of its value; one that the schema does not know by its number."""
    batch = _decode(file, reading(site=1), reading(), reading(site=9), series=("site",))
    assert [batch.key[row] for row in range(3)] == [b"SOUTH", b"NORTH", b"9"]


def test_the_indexes_choose_the_message(file: Any) -> None:
    """A zero is the first message; two indexes go into it; what is not there does not match."""
    inner = GetMessageClass(message_type(file, [0, 0]))(ts=T_MS, series="i", value=2.0).SerializeToString()
    batch = _decode(file, b"\x04\x00\x00" + inner, b"\x00", b"\x02\x08" + inner, b"\x02\x01" + inner, b"", b"\x80")
    assert batch.refusal.tolist() == [0, Reason.MISSING_FIELD, *[Reason.SCHEMA_MISMATCH] * 4]
    assert (batch.key[0], batch.values[0].tolist()) == (b"i", [2.0])


def test_bytes_that_do_not_match(file: Any, reading: Callable[..., bytes]) -> None:
    """Cut bytes and text that is no UTF-8; neighbours are read."""
    good = reading()
    not_utf8 = good.replace(b"\x12\x01a", b"\x12\x01\xff")
    assert not_utf8 != good
    batch = _decode(file, good, good[:-1], not_utf8, good)
    assert batch.refusal.tolist() == [0, Reason.SCHEMA_MISMATCH, Reason.SCHEMA_MISMATCH, 0]


def test_a_schema_as_descriptor_with_references() -> None:
    """Confluent's client for Python enters descriptors instead of text; references come beside them."""
    part = 'syntax = "proto3"; package p; message Part { double value = 1; }'
    main = 'syntax = "proto3"; import "p/part.proto"; message M { int64 ts = 1; string series = 2; p.Part part = 3; }'
    as_text = compile_proto(RegisteredSchema("PROTOBUF", main, {"p/part.proto": part}))
    files = {name: FileDescriptorProto() for name in ("p/part.proto", "main")}
    as_text.CopyToProto(files["main"])
    as_text.dependencies[0].CopyToProto(files["p/part.proto"])
    texts = {name: base64.b64encode(file.SerializeToString()).decode() for name, file in files.items()}
    as_descriptor = compile_proto(RegisteredSchema("PROTOBUF", texts.pop("main"), texts))
    body = (
        b"\x00"
        + GetMessageClass(message_type(as_text, [0]))(ts=T_MS, series="a", part={"value": 9.0}).SerializeToString()
    )
    for file in (as_text, as_descriptor):
        assert _decode(file, body, values=("part.value",)).values.tolist() == [[9.0]]


@pytest.mark.parametrize(
    ("text", "references"),
    [("message", {}), ('syntax = "proto3"; import "x.proto";', {}), ("", {"../../x.proto": "message"})],
)
def test_schemas_that_nothing_is_read_by(text: str, references: dict[str, str]) -> None:
    """Text that protoc refuses, and names that lead out of its folder."""
    with pytest.raises(UnusableSchemaError):
        compile_proto(RegisteredSchema("PROTOBUF", text, references))
