"""What a flow may say of formats and registries, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.domain.error import ConfigError

REGISTRY = {"url": "https://registry:8081"}


def _tree(source: dict[str, Any], alerts: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    kafka = {"kind": "kafka", "bootstrap": "localhost:9092"}
    named = {name: {**kafka, "topic": name, **sink} for name, sink in outputs.items()}
    return {
        "flow": "pumps",
        "source": {**kafka, "topic": "readings", **source},
        "record": {"time": {"field": "ts"}, "values": ["a"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {**kafka, "topic": "alerts", **alerts}, **named},
    }


def _lines(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_flow(tree)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("record_format", ["avro", "protobuf", "json_schema"])
def test_formats_with_a_registry(record_format: str) -> None:
    """Records of three formats; alerts in two."""
    flow = parse_flow(
        _tree(
            {"format": record_format, "schema_registry": REGISTRY},
            {"format": "protobuf", "schema_registry": {**REGISTRY, "register_schemas": False}},
        )
    )
    assert isinstance(flow, FlowSpec)


@pytest.mark.parametrize(
    ("source", "alerts", "outputs", "expected"),
    [
        ({"format": "avro"}, {}, {}, ["source.schema_registry: must be given while `format` is avro"]),
        (
            {"schema_registry": REGISTRY},
            {"schema_registry": REGISTRY},
            {},
            [
                "source.schema_registry: must be left out while `format` is json: it has no schemas",
                "output.alerts.schema_registry: must be left out while `format` is json: it has no schemas",
            ],
        ),
        (
            {"format": "protobuf", "schema_registry": {**REGISTRY, "reader_version": 2}},
            {},
            {},
            ["source.schema_registry.reader_version: must be left out: only Avro records can be read as"],
        ),
        (
            {},
            {"format": "avro", "mode": "structured", "schema_registry": REGISTRY},
            {},
            ["output.alerts.mode: must be binary while `format` is avro, was 'structured'"],
        ),
        (
            {},
            {},
            {"dead_letters": {"format": "avro", "mode": "structured", "schema_registry": REGISTRY}},
            [
                "output.dead_letters.format: must be json: dead letters are the bytes that came",
                "output.dead_letters.mode: must be binary: dead letters are the bytes that came",
                "output.dead_letters.schema_registry: must be left out while `format` is json: it has no schemas",
            ],
        ),
        (
            {
                "format": "avro",
                "schema_registry": {"url": "http://registry:8081", "username": "u", "password": "hunter2"},
            },
            {},
            {},
            [
                "source.schema_registry.username: must be left out while `url` begins with http: the password would",
                "source.schema_registry.password: must be left out without `username`, was a hidden value",
            ],
        ),
        (
            {"format": "avro", "schema_registry": {"url": "https://u:hunter2@registry:8081"}},
            {},
            {},
            ["source.schema_registry.url: must match"],
        ),
    ],
)
def test_what_does_not_fit(
    source: dict[str, Any], alerts: dict[str, Any], outputs: dict[str, Any], expected: list[str]
) -> None:
    """Each rule names its place; a password is never shown."""
    found = _lines(_tree(source, alerts, **outputs))
    assert len(found) == len(expected)
    for line, begin in zip(found, expected, strict=True):
        assert line.startswith(begin)
    assert not any("was 'hunter2'" in line for line in found)


def test_a_password_is_never_printed() -> None:
    """Neither by the flow's own text nor in its fingerprint's source."""
    registry = {**REGISTRY, "username": "u", "password": "hunter2"}
    flow = parse_flow(_tree({"format": "avro", "schema_registry": registry}, {}))
    assert "hunter2" not in repr(flow)
    assert "hunter2" not in flow.model_dump_json()


def test_what_decides_about_records_changes_the_fingerprint() -> None:
    """The version that records are read as, and whether they are checked; not where the registry is."""
    source = {"format": "avro", "schema_registry": REGISTRY}
    plain = parse_flow(_tree(source, {})).fingerprint()
    moved = {**source, "schema_registry": {"url": "http://localhost:1", "timeout_s": 3}}
    assert parse_flow(_tree(moved, {})).fingerprint() == plain
    for key, value in (("reader_version", 2), ("check_records", False)):
        changed = {**source, "schema_registry": {**REGISTRY, key: value}}
        assert parse_flow(_tree(changed, {})).fingerprint() != plain
