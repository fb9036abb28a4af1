"""Schemas of the events' data in the languages of registries and documents, all made from `event_data`.

The texts that registries get are kept in `schemas/` beside this module, so that a change of them is seen:
``python -m pynomaly_connectors.codecs.event_schemas connectors/pynomaly_connectors/codecs/schemas``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    RecordLate,
    SeriesEvicted,
)
from pynomaly_connectors.codecs.event_data import SHAPES

NAMESPACE: Final = "io.pynomaly.events.v1"
#: Events of an output; each has a topic, and so a schema, of its own.
ALERTS: Final[tuple[type[Event], ...]] = (
    AnomalyDetected,
    ModelRefitted,
    ModelRefitFailed,
    SeriesEvicted,
    DetectorStatusChanged,
)
LATE: Final[tuple[type[Event], ...]] = (RecordLate,)

_FOLDER: Final = Path(__file__).with_name("schemas")
_PROTO_HEAD: Final = f"""\
// Data of the CloudEvents that pynomaly writes. Where a value may be unknown, it is left out.

syntax = "proto3";

package {NAMESPACE};

import "google/protobuf/timestamp.proto";
"""
_SCALARS: Final = {"string": "string", "integer": "int64", "number": "double"}
_AVRO_SCALARS: Final = {"string": "string", "integer": "long", "number": "double"}

Node = dict[str, Any]


def json_schema(event: type[Event]) -> Node:
    """Return the JSON Schema of an event's data, shapes within it under `$defs`."""
    return _schema_of(SHAPES[event])


def name_of(event: type[Event]) -> str:
    """Return the name of an event's record or message."""
    return event.__name__


def avro_schema(events: Sequence[type[Event]]) -> Any:
    """Return the Avro schema of a topic: a record, or a union where there are several kinds of events."""
    named: set[str] = set()
    records = [_avro_record(name_of(event), json_schema(event), json_schema(event), named) for event in events]
    return records[0] if len(records) == 1 else records


def committed(file: str) -> str:
    """Return the text of a schema as registries get it: `alerts.avsc`, `late.avsc` or `events.proto`."""
    return (_FOLDER / file).read_text()


def texts() -> dict[str, str]:
    """Return all texts by the names of their files."""
    avro = {"alerts.avsc": avro_schema(ALERTS), "late.avsc": avro_schema(LATE)}
    return {
        **{name: json.dumps(schema, indent=2) + "\n" for name, schema in avro.items()},
        "events.proto": proto_text(),
    }


def proto_text() -> str:
    """Return the Protobuf file of all events; those that are no events themselves come after them."""
    messages = {name_of(event): json_schema(event) for event in SHAPES}
    for event in SHAPES:
        messages |= json_schema(event).get("$defs", {})
    return "\n".join([_PROTO_HEAD, *("\n".join(_proto_message(name, node)) for name, node in messages.items())])


def without_null(node: Node) -> tuple[Node, bool]:
    """Return what a node may be beside null, and whether it may be null."""
    choices = node.get("anyOf")
    if choices is None:
        return node, False
    (choice,) = [choice for choice in choices if choice.get("type") != "null"]
    return choice, True


@cache
def _schema_of(shape: type) -> Node:
    return TypeAdapter(shape).json_schema()


def _avro_record(name: str, node: Node, root: Node, named: set[str]) -> Node:
    named.add(name)
    fields = [_avro_field(key, rule, root, named) for key, rule in node["properties"].items()]
    return {"type": "record", "name": name, "namespace": NAMESPACE, "doc": node["description"], "fields": fields}


def _avro_field(name: str, node: Node, root: Node, named: set[str]) -> Node:
    rule, may_be_null = without_null(node)
    default = {"default": None} if may_be_null else {}
    return {"name": name, "type": _avro_type(node, root, named), "doc": _doc(node, rule), **default}


def _avro_type(node: Node, root: Node, named: set[str]) -> Any:
    rule, may_be_null = without_null(node)
    if may_be_null:
        return ["null", _avro_type(rule, root, named)]
    if "$ref" in rule:
        name = rule["$ref"].rpartition("/")[2]
        return f"{NAMESPACE}.{name}" if name in named else _avro_record(name, root["$defs"][name], root, named)
    if rule.get("format") == "date-time":
        return {"type": "long", "logicalType": "timestamp-nanos"}
    if rule["type"] == "array":
        return {"type": "array", "items": _avro_type(rule["items"], root, named)}
    if rule["type"] == "object":
        return {"type": "map", "values": _avro_type(rule["additionalProperties"], root, named)}
    return _AVRO_SCALARS[rule["type"]]


def _proto_message(name: str, node: Node) -> Iterator[str]:
    yield f"// {node['description']}"
    yield f"message {name} {{"
    for number, (key, rule) in enumerate(node["properties"].items(), 1):
        choice, _ = without_null(rule)
        yield f"  // {_doc(rule, choice)}"
        yield f"  {_proto_type(rule)} {key} = {number};"
    yield "}\n"


def _proto_type(node: Node) -> str:
    rule, may_be_null = without_null(node)
    if "$ref" in rule:
        return str(rule["$ref"].rpartition("/")[2])
    if rule.get("format") == "date-time":
        return "google.protobuf.Timestamp"
    if rule["type"] == "array":
        return f"repeated {_proto_type(rule['items'])}"
    if rule["type"] == "object":
        entry, _ = without_null(rule["additionalProperties"])  # an entry that may be null is left out
        return f"map<string, {_proto_type(entry)}>"
    return f"optional {_SCALARS[rule['type']]}" if may_be_null else _SCALARS[rule["type"]]


def _doc(node: Node, rule: Node) -> str:
    return str(node.get("description") or rule.get("description", ""))


def main() -> None:
    """Write the files into the folder that is named."""
    for name, text in texts().items():
        (Path(sys.argv[1]) / name).write_text(text)


if __name__ == "__main__":
    main()
