"""A topic that is given partitions while a flow reads it, and between two starts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pynomaly.application.ports import PartitionReader
from pynomaly.application.shard import Shard
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import ConfigError, InputGrownError, StateError
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.memory import Broker
from pynomaly_connectors.memory.source import MemoryPartitionReader
from pynomaly_flows.live import LiveOptions, run_live

_RECORDS = 100


def _services(folder: Path) -> Services:
    spec = {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings", "batch_records": 10},
        "record": {"time": {"field": "t", "format": "s"}, "values": ["v"]},
        "detectors": ["ew_zscore"],
        "output": {
            "alerts": {"kind": "memory", "topic": "alerts"},
            "outcomes": {"kind": "file", "path": str(folder / "outcomes.jsonl")},
            "outcomes_of": "all",
        },
    }
    return services_of(FlowSpec.model_validate(spec))


@dataclass
class _GrowingTopic:
    """A topic of four partitions that has had only the first of them until somebody has read half of it."""

    inner: Services
    may_come: bool = True
    shown: int = 1
    openings: list[str] = field(default_factory=list[str])

    @property
    def partitions_may_go(self) -> bool:
        return False

    @property
    def partitions_may_come(self) -> bool:
        return self.may_come

    def partitions(self) -> list[str]:
        return self.inner.source.partitions()[: self.shown]

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        self.openings.append(partition)
        reader = self.inner.source.open(partition, position, bounded=bounded)
        assert isinstance(reader, MemoryPartitionReader)
        return _WatchingReader(reader, self) if self.shown == 1 else reader


class _WatchingReader:
    """Tells after half of the records that the topic has grown."""

    def __init__(self, inner: MemoryPartitionReader, topic: _GrowingTopic) -> None:
        self._inner = inner
        self._topic = topic
        self._polls = 0
        self.stream = inner.stream
        self.position = inner.position
        self.confirm = inner.confirm
        self.close = inner.close

    @property
    def at_end(self) -> bool:
        return self._inner.at_end

    @property
    def lag(self) -> int:
        return self._inner.lag

    @property
    def skipped(self) -> int:
        return self._inner.skipped

    @property
    def outage(self) -> None:
        return self._inner.outage

    def poll(self) -> RecordBatch | None:
        self._polls += 1
        if self._polls > _RECORDS // 10 // 2:
            self._topic.shown = 4
            raise InputGrownError
        return self._inner.poll()


@pytest.fixture
def filled(memory_broker: Broker) -> Broker:
    """A topic of four partitions with 100 records each."""
    memory_broker.create_topic("readings", partitions=4)
    for number in range(4 * _RECORDS):
        value = json.dumps({"t": 1_700_000_000 + number, "v": number % 7}).encode()
        memory_broker.append("readings", value, partition=number % 4)
    return memory_broker


def _judged(folder: Path) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for line in (folder / "outcomes.jsonl").read_text().splitlines():
        outcome = json.loads(line)
        found.setdefault(outcome["partition"], []).append(outcome["offset"])
    return found


@pytest.mark.usefixtures("filled")
def test_a_flow_that_reads_new_partitions_goes_on_by_itself(tmp_path: Path) -> None:
    """It drains, opens the topic again where it stood, and reads the new partitions from their first record."""
    services = _services(tmp_path)
    topic = _GrowingTopic(services)
    growing = replace(services, source_for=lambda _starts: topic)
    run_live(growing, NoTelemetry(), LiveOptions(tmp_path / "state", until_end=True))
    assert topic.openings[0] == "readings:0"
    assert sorted(topic.openings[1:]) == [f"readings:{number}" for number in range(4)]
    assert _judged(tmp_path) == {number: list(range(_RECORDS)) for number in range(4)}


@pytest.mark.usefixtures("filled")
def test_a_partition_that_came_between_two_starts_is_refused_unless_the_flow_reads_it(tmp_path: Path) -> None:
    """Series may have moved into it: the operator decides, not a restart."""
    services = _services(tmp_path)
    options = LiveOptions(tmp_path / "state", until_end=True)
    for may_come, shown in ((False, 2), (False, 3), (True, 3)):
        topic = _GrowingTopic(services, may_come, shown)
        growing = replace(services, source_for=lambda _starts, topic=topic: topic)
        if shown == 3 and not may_come:
            with pytest.raises(StateError, match=r"readings:2 was added: .* source.new_partitions: read, or"):
                run_live(growing, NoTelemetry(), options)
        else:
            run_live(growing, NoTelemetry(), options)
    assert _judged(tmp_path) == {number: list(range(_RECORDS)) for number in range(3)}


@pytest.mark.usefixtures("filled")
def test_shards_judge_each_record_once(tmp_path: Path) -> None:
    """Each reads its own partitions only; together they read all."""
    for shard in Shard.all_of(3):
        (tmp_path / shard.name).mkdir()
        options = LiveOptions(tmp_path / "state", until_end=True, shard=shard)
        run_live(_services(tmp_path / shard.name), NoTelemetry(), options)
    judged = [_judged(tmp_path / shard.name) for shard in Shard.all_of(3)]
    assert [sorted(found) for found in judged] == [[0, 3], [1], [2]]
    assert all(offsets == list(range(_RECORDS)) for found in judged for offsets in found.values())


@pytest.mark.usefixtures("filled")
def test_a_shard_without_partitions_is_refused(tmp_path: Path) -> None:
    """It would end at once, and nobody would read a partition that is added for it later."""
    options = LiveOptions(tmp_path / "state", until_end=True, shard=Shard(4, 5))
    with pytest.raises(ConfigError, match=r"--shards: must be at most 4, one for each partition of the input"):
        run_live(_services(tmp_path), NoTelemetry(), options)
