"""JSON Schemas of what a flow reads and of the lines that it writes about records."""

from __future__ import annotations

from typing import Any, Final

from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.application.spec.window import SlidingWindow, TumblingWindow
from pynomaly.domain.outcome import Level, Outcome, Reason

Node = dict[str, Any]

_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_MOMENT: Final[Node] = {"type": "string", "format": "date-time"}


def record_schema(record: RecordSpec) -> Node:
    """Return what a flow needs of a JSON record; whatever else it holds is not read."""
    root: Node = {"type": "object", "description": "What the flow reads of a record.", "properties": {}, "required": []}
    if not isinstance(record.time, NoTime):
        _put(root, record.time.field, _time(record))
    for name in record.series:
        _put(root, name, {"type": ["string", "integer"], "description": "Part of the series key."})
    for name in record.values:
        _put(root, name, {"type": "number", "description": "A value that detectors see."})
    return root


def outcome_schema(record: RecordSpec, window: TumblingWindow | SlidingWindow | None, fields: tuple[str, ...]) -> Node:
    """Return the lines of `output.outcomes`: those of records, and with a window those of closed windows as well."""
    place: Node = {"stream": {"type": "string"}, "partition": {"type": "integer"}}
    # Records within windows are not scored themselves, so nothing is expected of them.
    expected = fields if window is None else ()
    told: Node = {
        **place,
        "offset": {"type": "integer"},
        "time": _or_null(_MOMENT),
        "series": _or_null({"type": "string"}),
    }
    of_record = _closed("What became of a record.", told | _verdict(record.values, expected))
    if window is None:
        return of_record
    span = _closed("The half-open span of event time.", {"start": _MOMENT, "end": _MOMENT})
    told = {**place, "window": span, "series": {"type": "string"}, "records": {"type": "integer"}}
    return {"anyOf": [of_record, _closed("What became of a window.", told | _verdict(fields, fields))]}


def _verdict(values: tuple[str, ...], expected: tuple[str, ...]) -> Node:
    return {
        "values": _numbers(values),
        "outcome": {"enum": [outcome.label for outcome in Outcome]},
        "reason": {"enum": [reason.label for reason in Reason if reason is not Reason.ACCEPTED]},
        "level": {"enum": [level.label for level in Level]},
        "evidence": _or_null({"type": "number"}),
        "ranking_score": _or_null({"type": "number"}),
        "alert_score": _or_null({"type": "number"}),
        "severity": _or_null({"type": "number"}),
        "expected": _numbers(expected),
        "contributions": {
            "type": "object",
            "description": "What each part added to the evidence; parts that added nothing are left out.",
            "additionalProperties": {"type": "number"},
        },
    }


def _numbers(names: tuple[str, ...]) -> Node:
    return _closed("By field; null where unknown.", {name: _or_null({"type": "number"}) for name in names})


def _closed(description: str, properties: Node) -> Node:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(node: Node) -> Node:
    return {**node, "type": [node["type"], "null"]}


def _time(record: RecordSpec) -> Node:
    unit = _UNITS.get(record.time.format)
    if unit is None:
        return {"type": "string", "description": "Event time, ISO 8601; UTC where it has no offset."}
    return {"type": "number", "description": f"Event time in {unit} since 1970-01-01 UTC."}


def _put(root: Node, path: str, node: Node) -> None:
    """Put a field where its dots lead."""
    *parents, name = path.split(".")
    for parent in parents:
        _require(root, parent)
        root = root["properties"].setdefault(parent, {"type": "object", "properties": {}, "required": []})
    _require(root, name)
    root["properties"][name] = node


def _require(node: Node, name: str) -> None:
    if name not in node["required"]:
        node["required"].append(name)
