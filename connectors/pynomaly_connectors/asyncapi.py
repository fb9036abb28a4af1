"""A flow's topics as an AsyncAPI 3 document, made from the flow and from the shapes of events.

Payloads are described by JSON Schemas in every format: they say what the data mean. Where a registry is used, the
bindings of Kafka say so, and the schema by which to read the bytes is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.registry import SchemaRegistry
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec, TerminalSink
from pynomaly.application.spec.source import DatasetSource, FileSource, KafkaSource, MemorySource
from pynomaly.domain.event import Event
from pynomaly_connectors.codecs.cloudevents import JSON, STRUCTURED_JSON, TYPES
from pynomaly_connectors.codecs.event_schemas import ALERTS, LATE, json_schema, name_of
from pynomaly_connectors.codecs.record_schema import Node, outcome_schema, record_schema

VERSION: Final = "3.0.0"

_CONTENT_TYPES: Final = {"avro": "application/avro", "protobuf": "application/protobuf"}
_SERVER_BINDING: Final = "0.5.0"
_TEXT: Final[Node] = {"type": "string"}
_ATTRIBUTES: Final = {
    "specversion": "Always 1.0.",
    "id": "Equal for equal events: keep one of each.",
    "source": "/pynomaly/flows/ and the name of the flow.",
    "type": "Which event it is.",
    "subject": "The series, or the group of a model; left out where it is empty.",
    "partitionkey": "As the subject.",
    "time": "Event time of the record; only of alerts and late records.",
    "origin": "TOPIC[PARTITION]@OFFSET of the record that a copy by series is of; only of alerts on such records.",
}
_OPTIONAL: Final = {"subject", "partitionkey", "time", "origin"}
_DEAD_LETTER: Final = {
    "__connect.errors.topic": "Where the record came from.",
    "__connect.errors.partition": "Its partition.",
    "__connect.errors.offset": "Its offset.",
    "__connect.errors.connector.name": "Name of the flow.",
    "__connect.errors.task.id": "The partition.",
    "__connect.errors.stage": "VALUE_CONVERTER, or TASK_PUT for a record that was decoded.",
    "__connect.errors.class.name": "What refused the record.",
    "__connect.errors.exception.class.name": "Class of the error.",
    "__connect.errors.exception.message": "What is wrong with the record.",
    "pynomaly.reason": "The same as one word.",
    "pynomaly.flow": "Name of the flow.",
    "pynomaly.id": "Equal for equal dead letters: keep one of each.",
    "ce_id": "Equal for equal dead letters: keep one of each.",
}
_AT_TIMES: Final = {
    "pynomaly.input": "TOPIC[PARTITION]@OFFSET of the record, where a copy by series was rejected.",
    "pynomaly.truncated": "What of key, headers and value is not whole.",
    "pynomaly.value_bytes": "Length of the value as it came.",
}
_Channel = SinkSpec | KafkaSource | MemorySource | FileSource | DatasetSource


def asyncapi_document(flow: FlowSpec, version: str) -> Node:
    """Return the document.

    Parameters
    ----------
    flow
        The flow.
    version
        Of the program.
    """
    channels = dict(_channels(flow))
    messages = {name: message for _, named in channels.values() for name, message in named.items()}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": f"Flow {flow.flow}",
            "version": version,
            "description": flow.description or "A pynomaly flow.",
        },
        "defaultContentType": JSON.decode(),
        "servers": {_server(end): _server_object(end) for end, _ in channels.values()},
        "channels": {name: _channel(end, named) for name, (end, named) in channels.items()},
        "operations": {_operation(name): _operation_object(name) for name in channels},
        "components": {"messages": messages, "schemas": _shapes(flow)},
    }


def _channels(flow: FlowSpec) -> Iterator[tuple[str, tuple[_Channel, dict[str, Node]]]]:
    output = flow.output
    yield "input", (flow.source, {"Record": _record(flow)})
    ends: dict[str, tuple[SinkSpec | None, dict[str, Node]]] = {
        "alerts": (output.alerts, _events(output.alerts, ALERTS)),
        "dead_letters": (output.dead_letters, {"RecordRejected": _dead_letter(output.dead_letters)}),
        "late": (output.late, _events(output.late, LATE)),
        "outcomes": (output.outcomes, {"Outcome": _outcome(flow)}),
    }
    for name, (sink, messages) in ends.items():
        if sink is not None and not isinstance(sink, TerminalSink):
            yield name, (sink, messages)


def _record(flow: FlowSpec) -> Node:
    bindings = _message_bindings(flow.source, "The series." if flow.record.series_from == "message_key" else None)
    return {
        "title": "A record",
        "contentType": _content_type(flow.source),
        "payload": record_schema(flow.record),
        **bindings,
    }


def _events(sink: SinkSpec | None, events: Sequence[type[Event]]) -> dict[str, Node]:
    return {} if sink is None else {name_of(event): _event(sink, event) for event in events}


def _event(sink: SinkSpec, event: type[Event]) -> Node:
    is_structured = isinstance(sink, FileSink) or (isinstance(sink, KafkaSink) and sink.mode == "structured")
    data: Node = {"$ref": f"#/components/schemas/{name_of(event)}"}
    message: Node = {
        "title": name_of(event),
        "summary": json_schema(event)["description"],
        "contentType": STRUCTURED_JSON.decode() if is_structured else _content_type(sink),
        "payload": _envelope(event, data) if is_structured else data,
    }
    if not isinstance(sink, FileSink):
        attributes = _attributes(event)
        headers = {f"ce_{name}": rule for name, rule in attributes.items()} | {"content-type": _TEXT}
        message["headers"] = _object(headers, [f"ce_{name}" for name in attributes if name not in _OPTIONAL])
    return {**message, **_message_bindings(sink, "The series, or the group of a model.")}


def _envelope(event: type[Event], data: Node) -> Node:
    attributes = _attributes(event)
    required = [name for name in attributes if name not in _OPTIONAL]
    return _object({**attributes, "datacontenttype": _TEXT, "data": data}, [*required, "data"])


def _attributes(event: type[Event]) -> Node:
    rules: Node = {name: {**_TEXT, "description": meaning} for name, meaning in _ATTRIBUTES.items()}
    rules["specversion"]["const"] = "1.0"
    rules["type"]["const"] = TYPES[event]
    rules["time"]["format"] = "date-time"
    return rules


def _dead_letter(sink: SinkSpec | None) -> Node:
    message: Node = {"title": "A record that cannot be used", "summary": "Its bytes as they came, and the reason."}
    if isinstance(sink, FileSink):
        properties: Node = {
            "headers": {"type": "array"},
            **dict.fromkeys(("key", "key_text", "value", "value_text"), _TEXT),
        }
        return {**message, "contentType": JSON.decode(), "payload": _object(properties, ["headers"])}
    told = _DEAD_LETTER | _AT_TIMES
    headers: Node = {name: {**_TEXT, "description": meaning} for name, meaning in told.items()}
    content: Node = {"contentType": "application/octet-stream", "payload": {"description": "The bytes of the record."}}
    return {
        **message,
        **content,
        "headers": _object(headers, list(_DEAD_LETTER)),
        **_message_bindings(sink, "As it came."),
    }


def _outcome(flow: FlowSpec) -> Node:
    payload = outcome_schema(flow.record, flow.window, flow.fields)
    return {"title": "What became of a record", "contentType": JSON.decode(), "payload": payload}


def _object(properties: Node, required: list[str]) -> Node:
    return {"type": "object", "properties": properties, "required": required}


def _shapes(flow: FlowSpec) -> Node:
    """Return the shapes of the events that the flow writes, and of what is in them."""
    events = (*ALERTS, *(LATE if flow.output.late is not None else ()))
    shapes: Node = {}
    for event in events:
        schema = json.loads(json.dumps(json_schema(event)).replace("#/$defs/", "#/components/schemas/"))
        shapes |= schema.pop("$defs", {})
        shapes[name_of(event)] = schema
    return shapes


def _channel(end: _Channel, messages: dict[str, Node]) -> Node:
    channel: Node = {
        "address": _address(end),
        "servers": [{"$ref": f"#/servers/{_server(end)}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }
    if isinstance(end, KafkaSource | KafkaSink):
        channel["bindings"] = {"kafka": {"topic": end.topic, "bindingVersion": _SERVER_BINDING}}
    return channel


def _address(end: _Channel) -> str:
    match end:
        case FileSource() | FileSink():
            return end.path
        case DatasetSource():
            return end.name
        case TerminalSink():
            return "terminal"
        case _:
            return end.topic


def _content_type(end: _Channel) -> str:
    match end:
        case KafkaSource() | KafkaSink():
            return _CONTENT_TYPES.get(end.format, JSON.decode())
        case FileSource():
            is_lines = end.format == "jsonl" or (end.format is None and ".jsonl" in end.path)
            return JSON.decode() if is_lines else "text/csv"
        case DatasetSource():
            return "text/csv"
        case _:
            return JSON.decode()


def _server(end: _Channel) -> str:
    """Name the server of a channel: each address is one, and so are files and memory."""
    if not isinstance(end, KafkaSource | KafkaSink):
        return "memory" if isinstance(end, MemorySource | MemorySink) else "files"
    place = [end.bootstrap, *([end.schema_registry.url] if end.schema_registry is not None else [])]
    return "kafka-" + "-".join("".join(c if c.isalnum() else "_" for c in part) for part in place)


def _server_object(end: _Channel) -> Node:
    if not isinstance(end, KafkaSource | KafkaSink):
        return {"host": "localhost", "protocol": _server(end), "description": "On the machine that runs the flow."}
    server: Node = {
        "host": end.bootstrap.split(",")[0],
        "protocol": "kafka",
        "description": f"Kafka at {end.bootstrap}.",
    }
    if end.schema_registry is not None:
        server["bindings"] = {"kafka": _registry_binding(end.schema_registry)}
    return server


def _registry_binding(registry: SchemaRegistry) -> Node:
    return {
        "schemaRegistryUrl": registry.url,
        "schemaRegistryVendor": "confluent",
        "bindingVersion": _SERVER_BINDING,
    }


def _message_bindings(end: _Channel | None, key: str | None) -> Node:
    if not isinstance(end, KafkaSource | KafkaSink):
        return {}
    binding: Node = {"bindingVersion": _SERVER_BINDING}
    if key is not None:
        binding["key"] = {**_TEXT, "description": key}
    if end.schema_registry is not None:
        binding |= {
            "schemaIdLocation": "payload",
            "schemaIdPayloadEncoding": "confluent",
            "schemaLookupStrategy": "TopicNameStrategy",
        }
    return {"bindings": {"kafka": binding}}


def _operation(channel: str) -> str:
    return "readInput" if channel == "input" else "write" + channel.title().replace("_", "")


def _operation_object(channel: str) -> Node:
    return {"action": "receive" if channel == "input" else "send", "channel": {"$ref": f"#/channels/{channel}"}}
