"""Decoding of records by format, beside Confluent's own deserializer: `python benchmarks/formats.py`.

A record has a time, a series of 1,000, and a value, as in the Kafka benchmark; figures are CPU time of one thread, the
best of five. The header of the wire format is read in every figure; the broker and the registry are not in them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.message_factory import GetMessageClass

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.record import Stream
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.avro_fast import avro_decoder
from pynomaly_connectors.codecs.avro_scanner import scan_avro
from pynomaly_connectors.codecs.avro_schema import AvroSchema
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.codecs.json_schema_rows import CheckedJson
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.codecs.protobuf_rows import protobuf_rows
from pynomaly_connectors.codecs.protobuf_schema import compile_proto, message_type
from pynomaly_connectors.codecs.registered import RegisteredDecoder
from pynomaly_connectors.registry.client import RegisteredSchema

RECORDS = 100_000
ROUNDS = 5
FIRST_MS = 1_700_000_000_000
AVRO = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "series", "type": "string"},
        {"name": "value", "type": ["null", "double"]},
    ],
}
JSON_SCHEMA = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["ts", "series"]}
PROTO = 'syntax = "proto3"; message Reading { int64 ts = 1; string series = 2; double value = 3; }'
SPEC = RecordSpec.model_validate({"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)})


class OneSchema:
    """Every id is the same schema."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def get(self, _schema_id: int) -> Decoder:
        """Return the decoder."""
        return self._decoder

    def forget_unknown(self) -> None:
        """Do nothing."""


def readings() -> list[dict[str, Any]]:
    """Make the records."""
    values = np.random.default_rng(7).normal(50.0, 5.0, RECORDS).round(4).tolist()
    return [{"ts": FIRST_MS + row, "series": f"host-{row % 1000:05d}", "value": v} for row, v in enumerate(values)]


def measured(name: str, run: Callable[[], object]) -> None:
    """Print the figures of the best round."""
    run()
    best_s = float("inf")
    for _ in range(ROUNDS):
        since = time.process_time()
        run()
        best_s = min(best_s, time.process_time() - since)
    print(f"{name:45} {RECORDS / best_s / 1e3:9,.0f} k records/s {best_s / RECORDS * 1e6:7.3f} us")


def main() -> None:
    """Measure."""
    library = KernelLibrary.default()
    records, stream = readings(), Stream("readings")
    parsed, kind = fastavro.parse_schema(AVRO), compile_proto(RegisteredSchema("PROTOBUF", PROTO))
    message = GetMessageClass(message_type(kind, [0]))
    avro = AvroSchema.of(RegisteredSchema("AVRO", json.dumps(AVRO)))
    fast_json = json_decoder(SPEC, "fast", library.entry(scan))
    as_json = [json.dumps(record, separators=(",", ":")).encode() for record in records]
    bodies = {
        "json": as_json,
        "avro": [_avro(parsed, record) for record in records],
        "protobuf": [b"\x00" + message(**record).SerializeToString() for record in records],
    }
    decoders: dict[str, tuple[str, Decoder]] = {
        "avro, compiled": ("avro", avro_decoder(SPEC, avro, None, library.entry(scan_avro))),
        "avro, portable (fastavro)": ("avro", avro_decoder(SPEC, avro, None, None)),
        "protobuf": ("protobuf", protobuf_rows(SPEC, kind)),
        "json_schema, checked": ("json", CheckedJson(fast_json, RegisteredSchema("JSON", json.dumps(JSON_SCHEMA)))),
        "json_schema, not checked": ("json", fast_json),
    }
    with SchemaRegistryClient.new_client({"url": "mock://formats"}) as client:
        schema_id = client.register_schema("readings-value", Schema(json.dumps(AVRO), "AVRO"))
        header = b"\x00" + schema_id.to_bytes(4, "big")
        for name, (body, decoder) in decoders.items():
            raw = RawBatch.of([header + one for one in bodies[body]], np.arange(RECORDS))
            whole = RegisteredDecoder(OneSchema(decoder), 1_000_000, 1)
            if whole.decode(stream, raw).refusal.any():
                raise SystemExit(f"{name} must read every record, refused some")
            measured(name, lambda whole=whole, raw=raw: whole.decode(stream, raw))
        plain = RawBatch.of(as_json, np.arange(RECORDS))
        measured("json, compiled", lambda: fast_json.decode(stream, plain))
        peer = AvroDeserializer(client)
        context = SerializationContext("readings", MessageField.VALUE)
        payloads = [header + one for one in bodies["avro"]]
        measured("peer: confluent_kafka's AvroDeserializer", lambda: [peer(one, context) for one in payloads])


def _avro(schema: Any, record: dict[str, Any]) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


if __name__ == "__main__":
    main()
