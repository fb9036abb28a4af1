"""From an Avro schema to the steps by which compiled code reads its records.

A record has no names and no lengths: its fields stand one after another, inner records among them. So a schema becomes
one list of steps, each reading one primitive value or passing over it. A union with null becomes a step that jumps over
what follows when null was written. Arrays, maps, decimals and other unions have no steps: fastavro reads such records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.spec.record import RecordSpec
from pynomaly_connectors.codecs.avro_schema import AvroSchema, Node
from pynomaly_connectors.codecs.avro_steps import (
    BOOLEAN,
    BYTES,
    DOUBLE,
    ENUM,
    FIXED,
    FLOAT,
    OPTION,
    SERIES,
    SKIP,
    STRING,
    TIME,
    VALUE,
    VARINT,
)
from pynomaly_connectors.codecs.fields import SeriesRule, digits_to_ns

_PRIMITIVES: Final = {
    "boolean": BOOLEAN,
    "int": VARINT,
    "long": VARINT,
    "float": FLOAT,
    "double": DOUBLE,
    "bytes": BYTES,
    "string": STRING,
}
_FITTING: Final = {TIME: {VARINT, STRING}, SERIES: {STRING}, VALUE: {VARINT, FLOAT, DOUBLE}}

Wanted = dict[tuple[str, ...], tuple[int, int]]
"""Path of a field -> its role and position."""


class NoPlanError(Exception):
    """A schema or a record that is left to fastavro."""


@dataclass(frozen=True, slots=True)
class AvroPlan:
    """How compiled code reads the records of a schema.

    Parameters
    ----------
    steps
        ``(n, 4)``, see `pynomaly_connectors.codecs.avro_steps`.
    unit_ns
        Nanoseconds in the unit of the time; 0 for text.
    series, values
        Numbers of fields wanted.
    """

    steps: NDArray[np.int64]
    unit_ns: int
    series: int
    values: int


def plan_of(spec: RecordSpec, schema: AvroSchema) -> AvroPlan | None:
    """Return the plan for the declared fields; None when fastavro must read the records."""
    wanted = _wanted(spec)
    try:
        steps = list(_steps(schema, schema.root, (), wanted))
    except NoPlanError:
        return None
    found = sum(role != SKIP for _, _, role, _ in steps)
    time = tuple(spec.time.field.split("."))
    digits = digits_to_ns(spec.time.format)
    unit_ns = schema.unit_ns(time) or (0 if digits is None else 10**digits)
    is_text = any(kind == STRING for kind, _, role, _ in steps if role == TIME)
    if found < len(wanted) or is_text != (unit_ns == 0):
        return None
    return AvroPlan(np.array(steps, np.int64), unit_ns, SeriesRule.of(spec).fields, len(spec.values))


def _wanted(spec: RecordSpec) -> Wanted:
    series = spec.series[: SeriesRule.of(spec).fields]
    named = [(spec.time.field, TIME, 0)]
    named += [(name, SERIES, position) for position, name in enumerate(series)]
    named += [(name, VALUE, position) for position, name in enumerate(spec.values)]
    wanted: Wanted = {}
    for name, role, position in named:
        path = tuple(name.split("."))
        if path in wanted:  # one field in two roles
            return {(): (TIME, 0)}
        wanted[path] = role, position
    return wanted


Step = tuple[int, int, int, int]


def _steps(schema: AvroSchema, node: Node, path: tuple[str, ...], wanted: Wanted) -> list[Step]:
    definition = schema.resolve(node)
    match definition:
        case str():
            return [_step(_primitive(definition), 0, path, wanted)]
        case Mapping():
            return _defined(schema, definition, path, wanted)
        case _:
            return _option(schema, definition, path, wanted)


def _defined(schema: AvroSchema, definition: Mapping[str, Any], path: tuple[str, ...], wanted: Wanted) -> list[Step]:
    kind = definition["type"]
    if kind == "record":
        steps: list[Step] = []
        for field in definition["fields"]:
            steps += _steps(schema, field["type"], (*path, field["name"]), wanted)
        return steps
    if kind == "fixed":
        return [_step(FIXED, definition["size"], path, wanted)]
    if kind == "enum":
        return [_step(ENUM, len(definition["symbols"]), path, wanted)]
    if definition.get("logicalType") == "decimal" and path in wanted:
        raise NoPlanError
    return [_step(_primitive(kind), 0, path, wanted)]


def _option(schema: AvroSchema, branches: Sequence[Node], path: tuple[str, ...], wanted: Wanted) -> list[Step]:
    nulls = [place for place, branch in enumerate(branches) if branch == "null"]
    if len(branches) != 2 or len(nulls) != 1:
        raise NoPlanError
    value = _steps(schema, branches[1 - nulls[0]], path, wanted)
    return [(OPTION, nulls[0], SKIP, len(value)), *value]


def _step(kind: int, argument: int, path: tuple[str, ...], wanted: Wanted) -> Step:
    role, position = wanted.get(path, (SKIP, 0))
    if role != SKIP and kind not in _FITTING[role]:
        raise NoPlanError
    return kind, argument, role, position


def _primitive(kind: str) -> int:
    if kind not in _PRIMITIVES:  # arrays and maps
        raise NoPlanError
    return _PRIMITIVES[kind]
