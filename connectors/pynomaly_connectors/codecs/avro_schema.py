"""What must be known of an Avro schema before records are read by it; see the Avro specification 1.12.

fastavro parses the schemas, so that names stand in full and a name used twice is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError

Node = str | Mapping[str, Any] | Sequence[Any]

#: Logical types that are moments: nanoseconds in their unit. A local timestamp is taken as UTC, as text without offset.
_UNIT_NS: Final[Mapping[str, int]] = {
    "timestamp-millis": 1_000_000,
    "timestamp-micros": 1_000,
    "timestamp-nanos": 1,
    "local-timestamp-millis": 1_000_000,
    "local-timestamp-micros": 1_000,
    "local-timestamp-nanos": 1,
    "date": 86_400_000_000_000,
}
_EMPTY: Final = frozenset({"null"})
_RECORDS: Final = frozenset({"record", "error"})


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A parsed schema.

    Parameters
    ----------
    root
        The schema, named types at their first place in full and by their full names elsewhere.
    plain
        The same for fastavro, without logical types that would cost time or digits: moments stay numbers.
    named
        Definitions by full name.
    """

    root: Node
    plain: Any
    named: Mapping[str, Node]

    @classmethod
    def of(cls, schema: RegisteredSchema) -> AvroSchema:
        """Parse a schema and those that it refers to.

        Raises
        ------
        UnusableSchemaError
            When it is no Avro schema, or reading by it may not end.
        """
        try:
            named: dict[str, Any] = {}
            parsed = cls(_parsed(schema, named, None), _parsed(schema, {}, _without_logical), named)
            parsed._check_end(parsed.root, ())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnusableSchemaError(f"must be an Avro schema, was none: {error}") from None
        return parsed

    def resolve(self, node: Node) -> Node:
        """Return the definition of a name; anything else as it is."""
        return self.named.get(node, node) if isinstance(node, str) else node

    def unit_ns(self, path: Sequence[str]) -> int | None:
        """Return the unit of a field that is a moment by its type [ns]; None for any other field."""
        return next((unit for unit in map(_unit_of, self._types_at(self.root, path)) if unit is not None), None)

    def _check_end(self, node: Node, around: tuple[str, ...]) -> None:
        """Fail unless reading ends: a record inside itself can overflow fastavro's stack, an array of nothing loop."""
        if isinstance(node, str) and node in around:
            raise UnusableSchemaError(f"must not hold a record inside itself, holds {node}")
        definition = self.resolve(node)
        kind, inside = _kind(definition), around
        if kind in _RECORDS:
            inside = (*around, cast("Mapping[str, str]", definition)["name"])
        if kind == "array" and self._takes_no_bytes(cast("Mapping[str, Node]", definition)["items"]):
            raise UnusableSchemaError("must not hold arrays of what takes no bytes")
        for child in _children(definition):
            self._check_end(child, inside)

    def _takes_no_bytes(self, node: Node) -> bool:
        definition = self.resolve(node)
        kind = _kind(definition)
        if kind in _RECORDS:
            return all(map(self._takes_no_bytes, _children(definition)))
        is_nothing = kind == "fixed" and cast("Mapping[str, int]", definition)["size"] == 0
        return kind in _EMPTY or is_nothing

    def _types_at(self, node: Node, path: Sequence[str]) -> Iterator[Node]:
        definition = self.resolve(node)
        kind = _kind(definition)
        if kind == "union":
            for branch in _children(definition):
                yield from self._types_at(branch, path)
        elif not path:
            yield definition
        elif kind in _RECORDS:
            for field in cast("Mapping[str, list[Any]]", definition)["fields"]:
                if field["name"] == path[0]:
                    yield from self._types_at(field["type"], path[1:])
        elif kind == "map":
            yield from self._types_at(cast("Mapping[str, Node]", definition)["values"], path[1:])


def _parsed(schema: RegisteredSchema, named: dict[str, Any], hook: Callable[[dict[str, Any]], object] | None) -> Any:
    import fastavro  # noqa: PLC0415 - an optional package
    from fastavro.schema import SchemaParseException  # noqa: PLC0415 - an optional package

    try:
        for text in schema.references.values():
            fastavro.parse_schema(json.loads(text, object_hook=hook), named)
        return fastavro.parse_schema(json.loads(schema.text, object_hook=hook), named)
    except SchemaParseException as error:
        raise ValueError(str(error)) from None


def _without_logical(node: dict[str, Any]) -> dict[str, Any]:
    """Keep decimals only: no other logical type changes what the rules of fields make of a value."""
    return node if node.get("logicalType") == "decimal" else {k: v for k, v in node.items() if k != "logicalType"}


def _unit_of(node: Node) -> int | None:
    return _UNIT_NS.get(node.get("logicalType", "")) if isinstance(node, Mapping) else None


def _kind(node: Node) -> str:
    if isinstance(node, str):
        return node
    return str(node["type"]) if isinstance(node, Mapping) else "union"


def _children(node: Node) -> list[Node]:
    """Return the types that a definition is made of."""
    match _kind(node):
        case "record" | "error":
            return [field["type"] for field in cast("Mapping[str, list[Any]]", node)["fields"]]
        case "array":
            return [cast("Mapping[str, Node]", node)["items"]]
        case "map":
            return [cast("Mapping[str, Node]", node)["values"]]
        case "union":
            return list(cast("Sequence[Node]", node))
        case _:
            return []
