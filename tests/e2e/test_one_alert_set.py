"""One alert set, whoever reads, in whichever format, in whichever way the flow runs.

Within a topic everything is equal byte for byte. Between the topics of the two formats the names and ids of the topics
differ, and nothing else does.

CI: 24,000 records in eight runs. Format and reader meet in the decoder, so a replay takes each pair of them; in which
way a flow runs is decided above both, so each live way is compared once with a replay in JSON or in Avro, and one
process with both. ``E2E_SIZE=full``: 400,000 records, and all sixteen of {JSON, Avro} x {portable, fast} x {replay, one
process, two shards, a cluster of two processes}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastavro
import orjson
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from brokers.apicurio import Apicurio
from brokers.kafka_topics import KafkaTopics
from e2e.cluster import Cluster
from e2e.flow_file import Tree
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Program
from e2e.size import FULL, size
from e2e.traffic import Record, Traffic, send, spread
from e2e.verifier import Stored, assert_one_outcome_each, lines, offsets, without_repeats
from pynomaly.application.ports import Message
from pynomaly.application.replay import replay
from pynomaly.bootstrap import services_of
from pynomaly.infrastructure.flow_file import load_flow

_SERIES: Final = 40
_STEPS: Final = size(600, 10_000)
_PARTITIONS: Final = 4
_WITHIN_S: Final = size(120, 900)
_CUT_EVERY: Final = 500
_READING: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "series", "type": "string"},
        {"name": "value", "type": ["null", "double"]},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


class _Run(NamedTuple):
    format: str
    way: str
    reader: str

    @property
    def name(self) -> str:
        return f"{self.format}-{self.way}-{self.reader}"


_ALL: Final = tuple(
    _Run(format_, way, reader)
    for format_ in ("json", "avro")
    for way in ("replay", "alone", "shards", "cluster")
    for reader in ("portable", "fast")
)
_LIVE_IN_CI: Final = {
    _Run("json", "alone", "fast"),
    _Run("json", "cluster", "portable"),
    _Run("avro", "alone", "portable"),
    _Run("avro", "shards", "fast"),
}
_RUNS: Final = _ALL if FULL else tuple(run for run in _ALL if run.way == "replay" or run in _LIVE_IN_CI)


def _records() -> list[Record]:
    """Make readings, one in 500 of them cut short."""
    records = list(Traffic(_SERIES, _STEPS, _PARTITIONS, spread(_STEPS // 10, range(_STEPS), _SERIES)).records())
    for number in range(_CUT_EVERY - 1, len(records), _CUT_EVERY):
        whole = records[number]
        records[number] = whole._replace(value=(whole.value or b"").partition(b'"sensor')[0])
    return records


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


@pytest.fixture
def flow_of(
    kafka: KafkaTopics, apicurio: Apicurio, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> Callable[[_Run], FlowRuns]:
    """Return what makes the flow of a run; the topics of both formats are there, with their records."""
    readings = {format_: unique_name(format_) for format_ in ("json", "avro")}
    with SchemaRegistryClient({"url": apicurio.url}) as client:
        schema_id = client.register_schema(f"{readings['avro']}-value", Schema(json.dumps(_READING), "AVRO", []))
    records = _records()
    for format_, some in (("json", iter(records)), ("avro", _as_avro(records, schema_id))):
        kafka.create(readings[format_], _PARTITIONS)
        send(kafka.bootstrap, readings[format_], some)
    avro: Tree = {
        "source": {"format": "avro", "schema_registry": {"url": apicurio.url}},
        "record": {"time": {"field": "ts", "format": "iso8601"}},
    }

    def flow(run: _Run) -> FlowRuns:
        changes: Tree = {"alert": TALKATIVE} | (avro if run.format == "avro" else {})
        changes["source"] = {**changes.get("source", {}), "reader": run.reader, "batch_records": 1_000}
        changes["output"] = {"dead_letters": {"path": f"dead-{run.name}.jsonl"}}
        runs = FlowRuns.of("kafka", changes, program, kafka, tmp_path / f"{run.name}.yaml", readings[run.format])
        kafka.create(runs.alerts(run.name), 2)
        return runs

    return flow


def _alerts_of(flow: FlowRuns, run: _Run) -> list[Stored]:
    match run.way:
        case "replay":
            return _replayed(flow, run.name)
        case "alone":
            flow.start(run.name, "--until-end").wait(_WITHIN_S).succeeded()
        case "shards":
            flow.start(run.name, "--shards", "2", "--until-end").wait(_WITHIN_S).succeeded()
        case _:
            Cluster(flow, run.name, 2, until_end=True).wait()
    return flow.alerted(run.name)


def _replayed(flow: FlowRuns, run: str) -> list[Stored]:
    """Replay in this process; return what the flow would have written."""
    services, found = services_of(load_flow(flow.file, flow.environment(run))), list[Message]()
    encode = services.outputs(None)[0].encode
    replay(services.source, services.engine_for, lambda result: found.extend(encode(result)))
    return [Stored(message.key, message.value, tuple(message.headers)) for message in found]


def _apart_from_topic(alert: Stored, topic: str) -> tuple[Any, ...]:
    """Leave out what tells one topic from another: its name, and the id that is made of its name and its id."""
    headers = tuple(header for header in alert.headers if header[0] != "ce_id")
    return alert.key, headers, (alert.value or b"").replace(topic.encode(), b"")


@pytest.mark.kafka
@pytest.mark.registry
@pytest.mark.slow
@pytest.mark.timeout(size(300, 3_600))
def test_every_reader_format_and_way_gives_one_alert_set(flow_of: Callable[[_Run], FlowRuns]) -> None:
    """Alerts are equal byte for byte, and every record has one outcome, in every run."""
    alerts: dict[_Run, dict[str, Stored]] = {}
    topics: dict[str, str] = {}
    for run in _RUNS:
        flow = flow_of(run)
        topics[run.format] = flow.readings
        found = _alerts_of(flow, run)
        alerts[run] = without_repeats(found)
        assert len(alerts[run]) == len(found), f"{run} was not interrupted: it must not repeat anything"
        if run.way != "replay":
            _assert_outcomes(flow, run)
    first = {format_: next(alerts[run] for run in _RUNS if run.format == format_) for format_ in topics}
    for run, same in alerts.items():
        assert len(same) > 50
        assert same == first[run.format], run
    plain, avro = (
        sorted(_apart_from_topic(alert, topics[format_]) for alert in first[format_].values())
        for format_ in ("json", "avro")
    )
    assert avro == plain


def _assert_outcomes(flow: FlowRuns, run: _Run) -> None:
    """Fail unless each record has one outcome, and those that were cut are rejected and kept."""
    outcomes = [line for path in flow.file.parent.glob(f"outcomes-{run.name}*.jsonl") for line in lines(path)]
    assert_one_outcome_each(outcomes, offsets(flow.bootstrap, flow.readings))
    rejected = [line["reason"] for line in outcomes if line["outcome"] == "rejected"]
    assert len(rejected) == len(outcomes) // _CUT_EVERY
    assert len(set(rejected)) == 1
    letters = [line for path in flow.file.parent.glob(f"dead-{run.name}*.jsonl") for line in lines(path)]
    assert len(letters) == len(rejected)
