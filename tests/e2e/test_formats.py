"""A flow on Avro records gives the alerts of the same flow on the same records in JSON.

CI: 24,000 records. ``E2E_SIZE=full``: 400,000 records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import fastavro
import orjson
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from brokers.apicurio import Apicurio
from brokers.kafka_topics import KafkaTopics
from e2e.flow_file import Tree, derived_flow
from e2e.job import Program
from e2e.size import size
from e2e.traffic import Record, Traffic, send, spread
from e2e.verifier import ANOMALY, Stored, stored, without_repeats

_SERIES: Final = 40
_STEPS: Final = size(600, 10_000)
_PARTITIONS: Final = 2
_WITHIN_S: Final = size(120, 900)
_READING: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "series", "type": "string"},
        {"name": "value", "type": ["null", "double"]},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
_TALKATIVE: Final[Tree] = {"alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1}}


def _as_avro(records: list[Record], schema_id: int) -> Iterator[Record]:
    """Write the same records in Avro; what was cut short in JSON is cut short here."""
    schema = fastavro.parse_schema(_READING)
    for record in records:
        text = record.value or b""
        is_whole = text.endswith(b"}")
        stream = BytesIO(b"\x00" + schema_id.to_bytes(4, "big"))
        stream.seek(0, 2)
        fastavro.schemaless_writer(stream, schema, orjson.loads(text if is_whole else text + b'"x","value":1}'))
        yield record._replace(value=stream.getvalue() if is_whole else stream.getvalue()[:-1])


def _records() -> list[Record]:
    traffic = Traffic(_SERIES, _STEPS, _PARTITIONS, spread(_STEPS // 10, range(_STEPS), _SERIES))
    records = list(traffic.records())
    for number in range(499, len(records), 500):
        whole = records[number]
        records[number] = whole._replace(value=(whole.value or b"").partition(b'"sensor')[0])
    return records


def _facts(alert: Stored, data: dict[str, Any]) -> tuple[Any, ...]:
    """Return what must be equal: all but the names and ids of the topics."""
    place = data["stream"]["partition"], data["stream"]["offset"]
    parts = json.dumps(data["parts"], sort_keys=True)
    verdict = data["level"], data["evidence"], data["bar"], data["values"]["value"], data["expected"]["value"]
    return alert.key, alert.header("ce_time"), data["series"], *place, *verdict, parts


@pytest.mark.kafka
@pytest.mark.registry
@pytest.mark.slow
@pytest.mark.timeout(size(300, 3_600))
def test_avro_gives_the_alerts_of_json(
    kafka: KafkaTopics, apicurio: Apicurio, program: Program, tmp_path: Path
) -> None:
    """Records, calibration and verdicts are the same, to the last bit; so are dead letters, but for their reason."""
    registry = {"url": apicurio.url}
    records = _records()
    with SchemaRegistryClient({"url": apicurio.url}) as client:
        schema_id = client.register_schema("formats-avro-value", Schema(json.dumps(_READING), "AVRO", []))
        changes: dict[str, Tree] = {
            "json": {},
            "avro": {
                "source": {"format": "avro", "schema_registry": registry},
                "record": {"time": {"field": "ts", "format": "iso8601"}},
                "output": {"alerts": {"format": "avro", "schema_registry": registry}},
            },
        }
        inputs = {"json": iter(records), "avro": _as_avro(records, schema_id)}
        alerts = {}
        for name, change in changes.items():
            places: Tree = {"output": {"dead_letters": {"path": f"dead-{name}.jsonl"}}}
            flow = derived_flow("kafka", tmp_path / f"{name}.yaml", _TALKATIVE, change, places)
            alerts[name] = _alerts_of(kafka, program, flow, name, inputs[name])
        expected = sorted(_facts(alert, alert.data) for alert in alerts["json"])
        read = AvroDeserializer(client)
        found = sorted(_facts(alert, _avro_data(read, alert)) for alert in alerts["avro"])
    assert len(expected) > 50
    assert found == expected
    dead = {name: (tmp_path / f"dead-{name}.jsonl").read_bytes().splitlines() for name in changes}
    assert len(dead["json"]) == len(dead["avro"]) == len(records) // 500
    assert b"schema_mismatch" in dead["avro"][0]
    assert b"malformed" in dead["json"][0]


def _alerts_of(kafka: KafkaTopics, program: Program, flow: Path, name: str, records: Iterator[Record]) -> list[Stored]:
    readings, alerts = f"formats-{name}", f"formats-{name}-alerts"
    kafka.create(readings, _PARTITIONS)
    kafka.create(alerts)
    send(kafka.bootstrap, readings, records)
    places = {"KAFKA_BOOTSTRAP": kafka.bootstrap, "KAFKA_INPUT_TOPIC": readings, "KAFKA_ALERT_TOPIC": alerts}
    program.run("run", flow, "--until-end", "--state", f"state-{name}", within_s=_WITHIN_S, **places).succeeded()
    found = list(without_repeats(stored(kafka.bootstrap, alerts)).values())
    return [alert for alert in found if alert.header("ce_type") == ANOMALY]


def _avro_data(read: Any, alert: Stored) -> dict[str, Any]:
    """Read an alert by Confluent's deserializer; its time is the one of the header."""
    assert alert.header("content-type") == "application/avro"
    data: dict[str, Any] = read(alert.value, SerializationContext("formats-avro-alerts", MessageField.VALUE))
    moment = datetime.fromisoformat(alert.header("ce_time"))
    assert data["time"] == round(moment.timestamp() * 1_000) * 1_000_000
    return data
