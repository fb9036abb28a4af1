"""The reference of all keys of a flow, as a page of Markdown made from the JSON Schema.

Made with ``python -m pynomaly.application.spec.page > docs/flow-reference.md``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final, cast

from pynomaly.application.spec.duration import DURATION_PATTERN
from pynomaly.application.spec.schema import flow_schema
from pynomaly.application.spec.start import MOMENT_PATTERN

Node = Mapping[str, object]

_HEAD: Final = """\
# All keys of a flow

How they work together is told in [flow-spec.md](flow-spec.md). This page is made from the program's own models: a key
that is not here does not exist. Wherever a number, a truth value or one of several words is asked for, a reference
such as `${NAME}` may stand as well. A key without a default must be given.
"""
_HIDDEN: Final = {"Reference"}
_DURATION: Final = "duration such as `250ms`, `30s`, `5m`, `1h` or `2d`, or a number of seconds"


def flow_page() -> str:
    """Return the page."""
    schema = flow_schema()
    definitions = cast("Mapping[str, Node]", schema["$defs"])
    sections = ["\n".join(_section("A flow", schema))]
    sections += ["\n".join(_section(_heading(name), node)) for name, node in _in_order(schema, definitions)]
    return "\n".join([_HEAD, *sections])


def _in_order(
    node: object, definitions: Mapping[str, Node], seen: set[str] | None = None
) -> Iterator[tuple[str, Node]]:
    """Yield the definitions in the order in which a reader meets them."""
    met = set(_HIDDEN) if seen is None else seen
    for name in _referred(node):
        if name not in met:
            met.add(name)
            yield name, definitions[name]
            yield from _in_order(definitions[name], definitions, met)


def _referred(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in cast("Node", node).items():
            if key == "$ref":
                yield _name(value)
            elif key != "$defs":
                yield from _referred(value)
    elif isinstance(node, list):
        for entry in cast("list[object]", node):
            yield from _referred(entry)


def _name(reference: object) -> str:
    return str(reference).rpartition("/")[2]


def _heading(name: str) -> str:
    words = re.findall("[A-Z][a-z]+", name)
    if not words:
        return name  # a native detector is called what it is
    return " ".join(words[:-1] if words[-1] in {"Spec", "Options"} else words).capitalize()


def _section(heading: str, node: Node) -> Iterator[str]:
    required = cast("list[str]", node.get("required", []))
    yield f"## {heading}\n"
    yield f"{node['description']}\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, rule in cast("Mapping[str, Node]", node.get("properties", {})).items():
        default = "" if key in required else _default(rule)
        meaning = rule.get("description", "Which kind this is." if "const" in rule else "")
        yield f"| `{key}` | {_kind(rule)} | {default} | {_cell(meaning)} |"
    yield ""


def _default(rule: Node) -> str:
    if "$ref" in rule:
        return "its defaults" if "default" in rule else ""
    return _literal(rule["default"]) if "default" in rule else ""


def _literal(value: object) -> str:
    return "none" if value is None else f"`{json.dumps(value)}`"


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _kind(rule: Node) -> str:
    """Say what a value may be."""
    if "$ref" in rule:
        heading = _heading(_name(rule["$ref"])).lower()
        return f"[{heading}](#{heading.replace(' ', '-')})"
    if "const" in rule:
        return f"`{rule['const']}`"
    if "enum" in rule:
        return " or ".join(f"`{_word(word)}`" for word in cast("list[object]", rule["enum"]))
    for union in ("anyOf", "oneOf"):
        if union in rule:
            choices = cast("list[Node]", rule[union])
            if any(choice.get("pattern") == DURATION_PATTERN for choice in choices):
                return _DURATION
            kinds = [_kind(choice) for choice in choices if not _is_silent(choice)]
            return " or ".join(dict.fromkeys(kinds))
    return _plain_kind(rule)


def _word(word: object) -> str:
    return word if isinstance(word, str) else json.dumps(word)


def _is_silent(choice: Node) -> bool:
    return choice.get("type") == "null" or _name(choice.get("$ref", "")) in _HIDDEN


def _plain_kind(rule: Node) -> str:
    match rule.get("type"):
        case "array":
            return f"list of {_kind(cast('Node', rule.get('items', {})))}"
        case "object":
            return "mapping"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _range(rule)
        case "boolean":
            return "`true` or `false`"
        case _:
            if rule.get("pattern") == MOMENT_PATTERN:
                return "moment such as `2026-01-31T08:00:00Z`"
            return f"text like `{_cell(rule['pattern'])}`" if "pattern" in rule else "text"


def _range(rule: Node) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    return "".join(f" {word} {cast('float', rule[key]):,.16g}" for key, word in words.items() if key in rule)


if __name__ == "__main__":
    sys.stdout.write(flow_page())
