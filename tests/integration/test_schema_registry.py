"""Records and events by a real registry, written and read by Confluent's own serializers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.message_factory import GetMessageClass

from brokers.apicurio import Apicurio
from brokers.relay import Relay
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.registry import EventSchemas, RecordSchemas
from pynomaly.application.spec.sink import MemorySink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError, TransientError, UnavailableError
from pynomaly.domain.event import ModelRefitted
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.avro_scanner import scan_avro
from pynomaly_connectors.codecs.by_schema import Scans, registered_decoder
from pynomaly_connectors.codecs.cloudevents import encode
from pynomaly_connectors.codecs.event_formats import event_format
from pynomaly_connectors.codecs.event_schemas import ALERTS
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.codecs.payload import Decoder, NotYetDecodableError, RawBatch
from pynomaly_connectors.codecs.protobuf_schema import compile_proto, message_type
from pynomaly_connectors.memory import Broker, MemoryMessageSink
from pynomaly_connectors.registry.client import RegisteredSchema, Registry
from pynomaly_connectors.registry.event_sink import RegisteredEventSink

pytestmark = pytest.mark.registry

STREAM: Final = Stream("readings", 0)
T_MS: Final = 1_700_000_000_123
REFITTED: Final = ModelRefitted("0bff", "pumps", STREAM, 43, "pump-1", "forest", 3, "abc", 1000)
RECORD: Final = {"time": {"field": "ts", "format": "ms"}, "series": ("series",), "values": ("value",)}
AVRO: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "series", "type": "string"},
        {"name": "value", "type": ["null", "double"]},
    ],
}
JSON_SCHEMA: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Reading",
    "type": "object",
    "properties": {"value": {"type": "number", "maximum": 100}},
}
PROTO: Final = 'syntax = "proto3"; message Reading { int64 ts = 1; string series = 2; double value = 3; }'


@pytest.fixture
def client(apicurio: Apicurio) -> Iterator[SchemaRegistryClient]:
    """Confluent's client of the registry."""
    with SchemaRegistryClient({"url": apicurio.url}) as connected:
        yield connected


def _scans() -> Scans:
    library = KernelLibrary.default()  # compiled once for all tests and processes
    return Scans(library.entry(scan), library.entry(scan_avro))


def _decoder(url: str, topic: str, record_format: str, **options: Any) -> Decoder:
    registry = RecordSchemas.model_validate({"url": url, "timeout_s": 5, **options})
    source = KafkaSource.model_validate(
        {"kind": "kafka", "bootstrap": "x:1", "topic": topic, "format": record_format, "schema_registry": registry}
    )
    return registered_decoder(RecordSpec.model_validate(RECORD), source, registry, _scans())


def _decode(decoder: Decoder, *payloads: bytes) -> RecordBatch:
    """Decode as a reader does: hand the batch in until it can be decoded."""
    raw = RawBatch.of(payloads, np.arange(len(payloads)))
    deadline = time.monotonic() + 30
    while True:
        try:
            return decoder.decode(STREAM, raw)
        except NotYetDecodableError:
            assert time.monotonic() < deadline


def _avro(client: SchemaRegistryClient, topic: str, schema: Any, **values: Any) -> bytes:
    record = {"ts": T_MS, "series": "a", "value": 1.5, **values}
    payload = AvroSerializer(client, json.dumps(schema))(record, SerializationContext(topic, MessageField.VALUE))
    assert payload is not None
    return bytes(payload)


def _protobuf(client: SchemaRegistryClient, topic: str) -> bytes:
    kind = GetMessageClass(message_type(compile_proto(RegisteredSchema("PROTOBUF", PROTO)), [0]))
    serializer = ProtobufSerializer(kind, client, {"use.deprecated.format": False})
    message = kind(ts=T_MS, series="a", value=1.5)
    return bytes(serializer(message, SerializationContext(topic, MessageField.VALUE)) or b"")


def _json(client: SchemaRegistryClient, topic: str, value: float = 1.5) -> bytes:
    record = {"ts": T_MS, "series": "a", "value": value}
    serializer = JSONSerializer(json.dumps(JSON_SCHEMA), client, conf={"validate": False})
    return bytes(serializer(record, SerializationContext(topic, MessageField.VALUE)) or b"")


def test_what_confluents_serializers_write_is_read(
    client: SchemaRegistryClient, apicurio: Apicurio, unique_name: Callable[[str], str]
) -> None:
    """All three formats; an id that the registry does not have, or of another format, is refused alone."""
    topic = unique_name("formats")
    payloads = {
        "avro": _avro(client, topic, AVRO),
        "protobuf": _protobuf(client, f"{topic}-p"),
        "json_schema": _json(client, f"{topic}-j"),
    }
    foreign = {"avro": "protobuf", "protobuf": "json_schema", "json_schema": "avro"}
    for record_format, payload in payloads.items():
        decoder = _decoder(apicurio.url, topic, record_format)
        unknown = b"\x00\x7f\xff\xff\xff" + payload[5:]
        batch = _decode(decoder, payload, unknown, payloads[foreign[record_format]], payload)
        assert batch.refusal.tolist() == [0, Reason.UNKNOWN_SCHEMA, Reason.UNKNOWN_SCHEMA, 0], record_format
        assert batch.values[[0, 3], 0].tolist() == [1.5, 1.5]
        assert (batch.key[0], batch.time_ns[0]) == (b"a", T_MS * 1_000_000)
        assert batch.refused()[1].value == unknown


def test_json_schema_records_are_checked(
    client: SchemaRegistryClient, apicurio: Apicurio, unique_name: Callable[[str], str]
) -> None:
    """Unless the flow asks for speed instead."""
    topic = unique_name("checked")
    payload = _json(client, topic, 101)
    assert _decode(_decoder(apicurio.url, topic, "json_schema"), payload).refusal.tolist() == [Reason.SCHEMA_MISMATCH]
    unchecked = _decoder(apicurio.url, topic, "json_schema", check_records=False)
    assert _decode(unchecked, payload).values.tolist() == [[101.0]]


def test_evolution_both_ways(
    client: SchemaRegistryClient, apicurio: Apicurio, unique_name: Callable[[str], str]
) -> None:
    """Fields with defaults are added and removed; read as one version, every record has all of its fields."""
    topic = unique_name("evolving")
    wider = {**AVRO, "fields": [*AVRO["fields"], {"name": "unit", "type": "string", "default": "C"}]}
    narrow = {**wider, "fields": [field for field in wider["fields"] if field["name"] != "value"]}
    wider["fields"][2] = {"name": "value", "type": ["null", "double"], "default": None}
    payloads = [
        _avro(client, topic, AVRO),
        _avro(client, topic, wider, unit="K"),
        _avro(client, topic, narrow, unit="K"),
    ]
    batch = _decode(_decoder(apicurio.url, topic, "avro"), *payloads)
    assert batch.refusal.tolist() == [0, 0, Reason.MISSING_FIELD]

    registry = RecordSchemas.model_validate({"url": apicurio.url, "reader_version": 2})
    source = KafkaSource.model_validate(
        {"kind": "kafka", "bootstrap": "x:1", "topic": topic, "format": "avro", "schema_registry": registry}
    )
    spec = RecordSpec.model_validate({**RECORD, "series": ("series", "unit")})
    as_second = registered_decoder(spec, source, registry, _scans())
    batch = _decode(as_second, *payloads[:2])
    assert [batch.key[row] for row in range(2)] == [b"a|C", b"a|K"]
    missing = _decoder(apicurio.url, topic, "avro", reader_version=9)
    with pytest.raises(ConfigError, match=r"reader_version: must be a version of subject .*, was 9"):
        _decode(missing, payloads[0])


def test_known_ids_go_on_while_the_registry_is_down(
    client: SchemaRegistryClient, apicurio: Apicurio, unique_name: Callable[[str], str]
) -> None:
    """An unknown id waits until the registry is back, and stops the flow when it stays away; nothing is refused."""
    topic = unique_name("outage")
    known = _avro(client, topic, AVRO)
    new = _avro(client, f"{topic}-2", {**AVRO, "name": "Later"})
    with closing(_Closing(Relay(apicurio.port))) as held:
        relay = held.relay
        url = f"http://127.0.0.1:{relay.port}/apis/ccompat/v7"
        decoder = _decoder(url, topic, "avro", timeout_s=20)
        impatient = _decoder(url, topic, "avro", timeout_s=0.5)
        assert _decode(decoder, known).refusal.tolist() == [0]
        relay.cut()
        assert _decode(decoder, known, known).refusal.tolist() == [0, 0]
        raw = RawBatch.of([known, new], np.arange(2))
        for _ in range(3):
            with pytest.raises(NotYetDecodableError):
                decoder.decode(STREAM, raw)
        with pytest.raises(TransientError, match=r"schema \d+ must be found, was not: schema registry at http"):
            _decode(impatient, new)
        relay.restore()
        assert _decode(decoder, known, new).refusal.tolist() == [0, 0]


class _Closing:
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def close(self) -> None:
        self.relay.cut()


def _sink(url: str, topic: str, name: Any, **options: Any) -> RegisteredEventSink:
    schemas = EventSchemas.model_validate({"url": url, "timeout_s": 5, **options})
    registry = Registry(schemas, "output.alerts.schema_registry")
    sink = MemoryMessageSink(MemorySink(kind="memory", topic=topic))
    return RegisteredEventSink(sink, f"{topic}-value", event_format(name, ALERTS), registry, schemas)


@pytest.mark.parametrize("name", ["avro", "protobuf"])
def test_events_are_read_by_confluents_deserializers(
    name: str,
    client: SchemaRegistryClient,
    apicurio: Apicurio,
    unique_name: Callable[[str], str],
    memory_broker: Broker,
) -> None:
    """The schema stands under `<topic>-value`; a second start writes the same bytes under the same id."""
    topic = unique_name("alerts")
    memory_broker.create_topic(topic)
    written = encode(REFITTED)
    for _ in range(2):
        sink = _sink(apicurio.url, topic, name)
        sink.check()
        with closing(sink.open(None)) as writer:
            writer.write([written])
            writer.flush()
    first, second = memory_broker.records(topic)
    assert (first.value, first.key, first.headers) == (second.value, second.key, second.headers)
    assert first.key == written.key
    changed = dict(written.headers) | {"content-type": f"application/{name}".encode()}
    assert dict(first.headers) == changed
    assert client.get_versions(f"{topic}-value") == [1]
    context = SerializationContext(topic, MessageField.VALUE)
    if name == "avro":
        assert AvroDeserializer(client)(first.value, context)["model_hash"] == "abc"
    else:
        text = client.get_latest_version(f"{topic}-value").schema.schema_str or ""
        kind = GetMessageClass(message_type(compile_proto(RegisteredSchema("PROTOBUF", text)), [1]))
        message: Any = ProtobufDeserializer(kind, {"use.deprecated.format": False})(first.value, context)
        assert message.model_hash == "abc"


def test_a_subject_that_does_not_take_the_schema_stops_the_start(
    client: SchemaRegistryClient, apicurio: Apicurio, unique_name: Callable[[str], str], memory_broker: Broker
) -> None:
    """An incompatible one is found before anything runs; so is one that is missing and must not be entered."""
    topic = unique_name("taken")
    memory_broker.create_topic(topic)
    other = {"type": "record", "name": "Other", "fields": [{"name": "x", "type": "double"}]}
    client.register_schema(f"{topic}-value", Schema(json.dumps(other), "AVRO", []))
    client.set_compatibility(f"{topic}-value", "FULL")
    with pytest.raises(ConfigError, match="refused it as incompatible"):
        _sink(apicurio.url, topic, "avro").check()
    with pytest.raises(ConfigError, match="refused it as incompatible"):
        _sink(apicurio.url, topic, "avro").open(None)
    with pytest.raises(UnavailableError, match="must hold the schema of this version's events"):
        _sink(apicurio.url, f"{topic}-none", "avro", register_schemas=False).check()
    assert client.get_versions(f"{topic}-value") == [1], "a check must enter nothing"


def test_a_check_asks_as_reading_does(apicurio: Apicurio, client: SchemaRegistryClient) -> None:
    """A registry that answers is well, whatever it holds, and nothing is entered."""
    before = client.get_subjects()
    Registry(RecordSchemas(url=apicurio.url), "source.schema_registry").check()
    assert client.get_subjects() == before


def test_a_registry_that_is_not_there(memory_broker: Broker) -> None:
    """Said within the bound, with what to do; a flow that is started again later goes on."""
    memory_broker.create_topic("alerts")
    with pytest.raises(TransientError, match=r"must answer, did not.*start again"):
        _sink("http://127.0.0.1:1", "alerts", "avro", timeout_s=0.3).check()


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    """A wrong file is a mistake of the flow, named by its key."""
    (tmp_path / "ca.pem").write_text("nothing")
    schemas = EventSchemas(url="https://127.0.0.1:1", ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"output\.alerts\.schema_registry\.ca_file: must be a PEM file"):
        Registry(schemas, "output.alerts.schema_registry").find("x", "AVRO", "{}")
