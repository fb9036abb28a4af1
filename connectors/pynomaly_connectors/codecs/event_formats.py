"""Data of events in Avro and Protobuf, made from their JSON: equal data gives equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final, Literal, Protocol

from pynomaly.domain.event import Event
from pynomaly_connectors.codecs.cloudevents import TYPES
from pynomaly_connectors.codecs.event_data import SHAPES
from pynomaly_connectors.codecs.event_schemas import (
    ALERTS,
    NAMESPACE,
    Node,
    committed,
    json_schema,
    name_of,
    without_null,
)
from pynomaly_connectors.codecs.iso8601 import iso_time_ns
from pynomaly_connectors.registry.client import RegisteredSchema, SchemaKind

_EVENT_OF: Final = {name: event for event, name in TYPES.items()}


class EventFormat(Protocol):
    """An encoding of events' data that has a schema."""

    kind: SchemaKind
    """Language of the schema."""
    text: str
    """The schema of all events of the topic."""
    content_type: bytes
    """What the values are to CloudEvents."""

    def body(self, event_type: str, data: Mapping[str, Any]) -> bytes:
        """Encode the data of an event of a type (`ce_type`), as what follows the schema's id."""
        ...


def event_format(name: Literal["avro", "protobuf"], events: Sequence[type[Event]]) -> EventFormat:
    """Return a format for the events of one topic."""
    return AvroEvents(events) if name == "avro" else ProtobufEvents()


class AvroEvents:
    """Avro: the record of an event, with the number of its branch where the topic's schema is a union."""

    kind: SchemaKind = "AVRO"
    content_type = b"application/avro"

    def __init__(self, events: Sequence[type[Event]]) -> None:
        import fastavro  # noqa: PLC0415 - an optional package

        self.text = committed("alerts.avsc" if tuple(events) == ALERTS else "late.avsc")
        self._schema = fastavro.parse_schema(json.loads(self.text))
        self._write = fastavro.schemaless_writer

    def body(self, event_type: str, data: Mapping[str, Any]) -> bytes:
        """Encode; moments become nanoseconds, entries of maps are sorted by their keys."""
        event = _EVENT_OF[event_type]
        root = json_schema(event)
        record = _with_numbers(root, root, data)
        stream = BytesIO()
        is_union = isinstance(self._schema, list)
        self._write(stream, self._schema, (f"{NAMESPACE}.{name_of(event)}", record) if is_union else record)
        return stream.getvalue()


class ProtobufEvents:
    """Protobuf: the index of the event's message in the file, and the message."""

    kind: SchemaKind = "PROTOBUF"
    content_type = b"application/protobuf"

    def __init__(self) -> None:
        from google.protobuf.json_format import ParseDict  # noqa: PLC0415 - an optional package
        from google.protobuf.message_factory import GetMessageClass  # noqa: PLC0415 - an optional package

        from pynomaly_connectors.codecs.protobuf_schema import compile_proto  # noqa: PLC0415 - an optional package

        self.text = committed("events.proto")
        messages = compile_proto(RegisteredSchema(self.kind, self.text)).message_types_by_name
        self._messages: dict[type[Event], Any] = {event: GetMessageClass(messages[name_of(event)]) for event in SHAPES}
        self._parse = ParseDict

    def body(self, event_type: str, data: Mapping[str, Any]) -> bytes:
        """Encode; what is not known is left out, entries of maps are sorted by their keys."""
        event = _EVENT_OF[event_type]
        message = self._parse(_without_nulls(data), self._messages[event]())
        encoded: bytes = message.SerializeToString(deterministic=True)
        return _indexes(list(SHAPES).index(event)) + encoded


def _indexes(message: int) -> bytes:
    """Return the place of a message in its file: how many indexes, and the index, as zigzag numbers; 0 for the first.

    Two bytes hold up to 63 messages.
    """
    return b"\x00" if message == 0 else bytes([2, 2 * message])


def _with_numbers(node: Node, root: Node, value: Any) -> Any:
    """Return data in which moments are nanoseconds and maps are sorted."""
    rule, _ = without_null(node)
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rpartition("/")[2]]
    if value is None:
        return None
    if rule.get("format") == "date-time":
        return iso_time_ns(value)
    if "properties" in rule:
        return {key: _with_numbers(below, root, value[key]) for key, below in rule["properties"].items()}
    if rule["type"] == "array":
        return [_with_numbers(rule["items"], root, entry) for entry in value]
    return dict(sorted(value.items())) if rule["type"] == "object" else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return list(map(_without_nulls, value)) if isinstance(value, list) else value
