"""The AsyncAPI document of a flow: judged by AsyncAPI's own parser, and compared with what is really written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import numpy as np
import pytest
import yaml

from brokers.apache_kafka import ToolMissingError
from brokers.asyncapi_parser import AsyncApiParser
from pynomaly.application.spec.parse import parse_flow
from pynomaly.bootstrap import services_of
from pynomaly.domain.event import (
    AnomalyDetected,
    DetectorStatusChanged,
    Event,
    ModelRefitFailed,
    ModelRefitted,
    PartContribution,
    RecordLate,
    RecordRejected,
    SeriesEvicted,
    WindowSpan,
)
from pynomaly.domain.outcome import Level, Reason
from pynomaly.domain.record import KeyColumn, RawRecord, RecordBatch, Stream
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.asyncapi import asyncapi_document
from pynomaly_connectors.codecs.cloudevents import encode, structured

REGISTRY: Final = {"url": "http://127.0.0.1:8081"}
KAFKA: Final = {"kind": "kafka", "bootstrap": "localhost:9092,[::1]:9092"}
PLACE: Final = Stream("readings", 1)
HOUR_NS: Final = 3_600_000_000_000
EVENTS: Final[list[Event]] = [
    AnomalyDetected(
        "a", "pumps", PLACE, 5, "p", HOUR_NS, Level.WATCH, 3.0, 2.0, {"v": 1.0}, {"v": None},
        (PartContribution("z", ("v",), None, 3.0, 3.0),), WindowSpan(0, HOUR_NS),
    ),
    ModelRefitted("b", "pumps", PLACE, 6, "p", "forest", 1, "ff", 100),
    ModelRefitFailed("c", "pumps", PLACE, 7, "p", "forest", 2, "singular"),
    RecordLate("d", "pumps", PLACE, 8, "p", HOUR_NS, {"v": 1.0}),
    SeriesEvicted("f", "pumps", PLACE, 9, 3, 1, 99, ("p",)),
    DetectorStatusChanged("g", "pumps", PLACE, 9, "forest", "degraded", "ValueError: no"),
    RecordRejected("e", "pumps", PLACE, 9, Reason.MALFORMED, RawRecord(b"x", b"k")),
]  # fmt: skip


def _flow(source: dict[str, Any], output: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {
        "flow": "pumps",
        "source": source,
        "record": {"time": {"field": "meta.at", "format": "ms"}, "series": ["pump", "meta.plant"], "values": ["v"]},
        "window": {"kind": "tumbling", "size": "1m"},
        "detectors": ["ew_zscore"],
        "output": output,
        **sections,
    }


def _sinks(**options: Any) -> dict[str, Any]:
    names = ("alerts", "dead_letters", "late")
    return {name: {**KAFKA, "topic": name, **(options if name != "dead_letters" else {})} for name in names}


FLOWS: Final = {
    "json": _flow({**KAFKA, "topic": "readings", "group": "g"}, _sinks()),
    "avro": _flow(
        {**KAFKA, "topic": "readings", "format": "avro", "schema_registry": REGISTRY},
        {**_sinks(format="avro", schema_registry=REGISTRY), "outcomes": {"kind": "memory", "topic": "outcomes"}},
    ),
    "protobuf": _flow(
        {**KAFKA, "topic": "readings", "format": "protobuf", "schema_registry": REGISTRY},
        _sinks(format="protobuf", schema_registry=REGISTRY),
    ),
    "structured": _flow({"kind": "memory", "topic": "readings"}, _sinks(mode="structured")),
    "files": _flow(
        {"kind": "files", "path": "in/*.jsonl"},
        {name: {"kind": "file", "path": f"{name}.jsonl"} for name in ("alerts", "dead_letters", "late", "outcomes")},
    ),
    "csv": _flow({"kind": "files", "path": "in.csv"}, {"alerts": {"kind": "terminal"}}, window=None),
    "dataset": {
        "flow": "pipe",
        "source": {"kind": "dataset", "name": "water_flow"},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "terminal"}, "outcomes": {"kind": "file", "path": "o.jsonl"}},
    },
}


def _document(name: str) -> dict[str, Any]:
    return asyncapi_document(parse_flow(FLOWS[name]), "1.2.3")


def _schema(document: dict[str, Any], node: dict[str, Any]) -> jsonschema_rs.Validator:
    """Return a validator of a node of the document."""
    return jsonschema_rs.validator_for({**node, "components": document["components"]}, validate_formats=True)


def test_asyncapis_own_parser_finds_nothing_wrong() -> None:
    """Every combination of sources, sinks and formats gives a document without errors and warnings."""
    try:
        parser = AsyncApiParser()
    except ToolMissingError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must judge documents by AsyncAPI's parser: {missing}")
        pytest.skip(str(missing))
    complaints = parser.complaints([*map(_document, FLOWS), {**_document("json"), "channels": {"x": {"adress": 1}}}])
    assert complaints[:-1] == [[] for _ in FLOWS]
    assert complaints[-1], "a document with a mistake must be found out"


@pytest.mark.parametrize("event", EVENTS)
def test_messages_are_as_the_document_says(event: Event) -> None:
    """Value and headers of each event match its message, and no header is left out of the document."""
    document = _document("json")
    told = document["components"]["messages"][type(event).__name__]
    message = encode(event)
    headers = {name: value.decode() for name, value in message.headers}
    assert _schema(document, told["headers"]).is_valid(headers)
    assert set(headers) <= set(told["headers"]["properties"])
    assert not _schema(document, told["headers"]).is_valid({})
    if not isinstance(event, RecordRejected):
        assert _schema(document, told["payload"]).is_valid(json.loads(message.value))
        assert not _schema(document, told["payload"]).is_valid({})


@pytest.mark.parametrize("event", EVENTS[:5])
def test_structured_messages_are_as_the_document_says(event: Event) -> None:
    """In a topic and in a file."""
    value = json.loads(structured(encode(event)))
    for name in ("structured", "files"):
        document = _document(name)
        told = document["components"]["messages"][type(event).__name__]
        assert told["contentType"] == "application/cloudevents+json"
        assert _schema(document, told["payload"]).is_valid(value)


def test_records_are_as_the_flow_reads_them() -> None:
    """Nested where its names have dots; more may stand beside."""
    document = _document("json")
    payload = document["components"]["messages"]["Record"]["payload"]
    good = {"meta": {"at": 1.5, "plant": 4, "more": []}, "pump": "p", "v": 1, "x": None}
    assert _schema(document, payload).is_valid(good)
    for name in ("meta", "pump", "v"):
        assert not _schema(document, payload).is_valid({key: value for key, value in good.items() if key != name})
    assert not _schema(document, payload).is_valid({**good, "v": "1"})


@pytest.mark.parametrize("window", [None, {"kind": "tumbling", "size": "1m"}])
def test_outcome_lines_are_as_the_document_says(window: dict[str, Any] | None) -> None:
    """Lines of records, refused ones too, and of windows."""
    outcomes = {"outcomes": {"kind": "memory", "topic": "outcomes"}, "outcomes_of": "all"}
    tree = _flow({"kind": "memory", "topic": "r"}, {"alerts": {"kind": "terminal"}, **outcomes}, window=window)
    flow = parse_flow(tree)
    services = services_of(flow)
    minutes = np.arange(5) * 60_000_000_000 + 1_700_000_000_000_000_000
    refusal = np.array([0, 0, 0, 0, Reason.MALFORMED], np.uint8)
    values = np.array([[1.0], [2.0], [3.0], [4.0], [np.nan]])
    batch = RecordBatch(PLACE, np.arange(5), minutes, KeyColumn.of([b"p"] * 5), values, refusal)
    result = services.engine_for(PLACE).process(batch)
    (output,) = [output for output in services.outputs(None) if output.name == "outcomes"]
    lines = [json.loads(message.value) for message in output.encode(result)]
    assert len(lines) >= 5
    document = asyncapi_document(flow, "1")
    told = document["components"]["messages"]["Outcome"]["payload"]
    for line in lines:
        assert _schema(document, told).is_valid(line), line
    assert not _schema(document, told).is_valid({**lines[0], "colour": 1})


def test_registries_and_topics_are_named() -> None:
    """Where the bytes' own schema is found stands in the bindings that AsyncAPI has for Kafka."""
    document = _document("avro")
    alerts = document["channels"]["alerts"]
    server = document["servers"][alerts["servers"][0]["$ref"].rpartition("/")[2]]
    assert (server["host"], server["bindings"]["kafka"]["schemaRegistryUrl"]) == ("localhost:9092", REGISTRY["url"])
    assert alerts["address"] == "alerts"
    message = document["components"]["messages"]["AnomalyDetected"]
    assert message["contentType"] == "application/avro"
    assert message["bindings"]["kafka"]["schemaIdPayloadEncoding"] == "confluent"
    assert set(document["channels"]) == {"input", "alerts", "dead_letters", "late", "outcomes"}
    assert document["operations"]["readInput"] == {"action": "receive", "channel": {"$ref": "#/channels/input"}}
    assert document["operations"]["writeDeadLetters"]["action"] == "send"


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As YAML without aliases, or as JSON; both the same."""
    file = tmp_path / "flow.yaml"
    file.write_text(yaml.safe_dump(FLOWS["avro"]))
    assert main(["flows", "asyncapi", str(file)]) == 0
    text = capsys.readouterr().out
    assert main(["flows", "asyncapi", str(file), "--json"]) == 0
    assert yaml.safe_load(text) == json.loads(capsys.readouterr().out)
    assert "*id" not in text
