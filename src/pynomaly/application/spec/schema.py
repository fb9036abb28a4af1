"""The JSON Schema of flows, for editors and for other programs that write them.

Made with ``python -m pynomaly.application.spec.schema > flows/schema/flow.schema.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final, cast

from pynomaly.application.spec.flow import FlowSpec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: `${NAME}` or `${NAME:-default}`, possibly inside other text.
REFERENCE: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"

_REFERENCE_SCHEMA: Final = {
    "type": "string",
    "pattern": REFERENCE,
    "description": "A value from the environment: ${NAME}, or ${NAME:-default} where it may be missing or empty.",
}
_NUMERIC_OR_LOGICAL: Final = {"integer", "number", "boolean"}


def flow_schema() -> dict[str, object]:
    """Return the JSON Schema 2020-12 of a flow's file, options of native detectors included.

    It describes the file before references are resolved, so a reference may stand for any scalar that is not
    free text anyway. Rules between keys are not in it: `parse_flow` checks those.
    """
    schema = FlowSpec.model_json_schema(by_alias=True, mode="validation")
    definitions = {
        name: _admit_references(definition)
        for name, definition in cast("Mapping[str, object]", schema.pop("$defs")).items()
    }
    flow = cast("dict[str, object]", _admit_references(schema))
    return {
        "$schema": DIALECT,
        **flow,
        "title": "pynomaly flow",
        "required": [key for key in cast("list[str]", flow["required"]) if key != "record"],
        "if": {"required": ["source"], "properties": {"source": {"properties": {"kind": {"const": "dataset"}}}}},
        "then": {"properties": {"record": False}},
        "else": {"required": ["record"]},
        "$defs": {**definitions, "Reference": _REFERENCE_SCHEMA},
    }


def schema_text() -> str:
    """Return the JSON Schema as the text of its file."""
    return json.dumps(flow_schema(), indent=2, ensure_ascii=False) + "\n"


def _admit_references(node: object) -> object:
    """Let a reference stand wherever a number, a truth value, a choice of words or patterned text may."""
    if isinstance(node, list):
        return [_admit_references(entry) for entry in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, object]", node)
    notes = {key: schema[key] for key in ("description", "default") if key in schema}
    choices = cast("list[dict[str, object]]", schema.get("anyOf", [schema]))
    if any(_is_patterned(choice) for choice in choices):
        rules: list[object] = [_without(choice, {"title", *notes}) for choice in choices]
        rules.append({"$ref": "#/$defs/Reference"})
        return notes | {"anyOf": rules}
    # Titles repeat the names of the keys, and editors show them in place of the descriptions.
    return {key: _admit_references(value) for key, value in schema.items() if key != "title" or isinstance(value, dict)}


def _without(schema: Mapping[str, object], keys: set[str]) -> dict[str, object]:
    return {key: value for key, value in schema.items() if key not in keys}


def _is_patterned(schema: Mapping[str, object]) -> bool:
    return schema.get("type") in _NUMERIC_OR_LOGICAL or "enum" in schema or "pattern" in schema


if __name__ == "__main__":
    sys.stdout.write(schema_text())
