"""Partitions that come and go between two starts of a flow, and what is confirmed at the end of one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import services_of
from pynomaly.domain.error import StateError
from pynomaly_connectors.memory import Broker, broker, reset_brokers
from pynomaly_flows.live import LiveOptions, run_live


def _run(source: dict[str, object], folder: Path) -> None:
    """Run a flow to its end, with an outcome for every record in `outcomes.jsonl`."""
    spec = FlowSpec.model_validate(
        {
            "flow": "pumps",
            "source": source,
            "record": {"time": {"field": "t", "format": "s"}, "values": ["v"]},
            "detectors": ["ew_zscore"],
            "output": {
                "alerts": {"kind": "file", "path": str(folder / "alerts.jsonl")},
                "outcomes": {"kind": "file", "path": str(folder / "outcomes.jsonl")},
                "outcomes_of": "all",
            },
        }
    )
    run_live(services_of(spec), NoTelemetry(), LiveOptions(folder / "state", until_end=True))


def _judged(folder: Path) -> dict[str, list[int]]:
    """Return the offsets of all outcomes for each stream."""
    found: dict[str, list[int]] = {}
    for line in (folder / "outcomes.jsonl").read_text().splitlines():
        outcome = json.loads(line)
        found.setdefault(outcome["stream"], []).append(outcome["offset"])
    return found


def _write(path: Path, first: int, count: int) -> None:
    with path.open("a") as file:
        if first == 0:
            file.write("t,v\n")
        file.writelines(f"{1_700_000_000 + row},{row % 7}\n" for row in range(first, first + count))


def test_files_may_go_and_come_back(tmp_path: Path) -> None:
    """A file that was read and archived stops nothing; put back with more lines, it is read on where it stood."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    source = {"kind": "files", "path": str(inputs / "*.csv")}
    for name in ("a.csv", "b.csv"):
        _write(inputs / name, 0, 10)
    _run(source, tmp_path)
    shutil.move(inputs / "a.csv", tmp_path / "a.csv")
    _write(inputs / "c.csv", 0, 10)
    _run(source, tmp_path)
    shutil.move(tmp_path / "a.csv", inputs / "a.csv")
    _write(inputs / "a.csv", 10, 5)
    _run(source, tmp_path)
    judged = {Path(stream).name: len(offsets) for stream, offsets in _judged(tmp_path).items()}
    assert judged == {"a.csv": 15, "b.csv": 10, "c.csv": 10}
    assert all(len(set(offsets)) == len(offsets) for offsets in _judged(tmp_path).values())


def test_a_topic_that_has_lost_a_partition_is_refused(memory_broker: Broker, tmp_path: Path) -> None:
    """It is not the topic that the state was reached with."""
    memory_broker.create_topic("readings", partitions=2)
    source = {"kind": "memory", "topic": "readings"}
    _run(source, tmp_path)
    reset_brokers()
    broker().create_topic("readings", partitions=1)
    with pytest.raises(StateError, match=r"readings:1 was missing: correct the source"):
        _run(source, tmp_path)


@pytest.mark.kafka
def test_the_last_position_is_committed(kafka: KafkaTopics, tmp_path: Path) -> None:
    """After an orderly end tools that show lag see none."""
    topic = f"committed-{tmp_path.name}"
    kafka.create(topic, 2)
    for partition in range(2):
        kafka.append(topic, partition, [b'{"t": %d, "v": 1}' % (1_700_000_000 + number) for number in range(15)])
    source = {"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topic, "group": topic}
    _run(source, tmp_path)
    assert [kafka.committed(topic, topic, partition) for partition in range(2)] == [15, 15]
