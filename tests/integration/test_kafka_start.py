"""A flow that starts at the end of a topic and dies before its first checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import StateError
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.sealed_file import LedgerFolder


@pytest.fixture
def topics(shared_mock_cluster: MockCluster) -> KafkaTopics:
    """A cluster."""
    return KafkaTopics(shared_mock_cluster.bootstrap, shared_mock_cluster)


@pytest.fixture
def topic(topics: KafkaTopics, unique_name: Callable[[str], str]) -> str:
    """A topic with two partitions that hold a record each."""
    name = unique_name("records")
    topics.create(name, 2)
    for partition in range(2):
        topics.append(name, partition, [payload(0)])
    return name


def started(topics: KafkaTopics, topic: str, ledger: Path, **fields: object) -> KafkaRecordSource:
    """Return the source of one run of a flow."""
    given = {"kind": "kafka", "bootstrap": topics.bootstrap, "topic": topic, "start": "latest", "timeout_s": 10}
    spec = KafkaSource.model_validate(given | fields)
    return KafkaRecordSource(spec, json_decoder(RECORDS, "portable"), ledger=LedgerFolder(ledger))


def values(reader: PartitionReader, count: int) -> list[float]:
    """Read a number of values, and close the reader as a crash would."""
    found: list[float] = []

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            found.extend(batch.values[:, 0].tolist())
        return len(found) >= count

    until(poll, f"{count} records, {found} so far")
    reader.close()
    return found


def test_what_was_read_before_the_first_checkpoint_is_read_again(
    topics: KafkaTopics, topic: str, tmp_path: Path
) -> None:
    """However often the flow dies, it begins where it began first."""
    first = started(topics, topic, tmp_path).open(f"{topic}:0", None, bounded=False)
    topics.append(topic, 0, [payload(1)])
    assert values(first, 1) == [1.0]
    topics.append(topic, 0, [payload(2)])
    for _ in range(2):
        again = started(topics, topic, tmp_path).open(f"{topic}:0", None, bounded=False)
        assert values(again, 2) == [1.0, 2.0]


def test_all_partitions_start_with_the_first_one(topics: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """A flow that dies between opening two partitions has started in both."""
    started(topics, topic, tmp_path).open(f"{topic}:0", None, bounded=False).close()
    topics.append(topic, 1, [payload(1)])
    again = started(topics, topic, tmp_path).open(f"{topic}:1", None, bounded=False)
    assert values(again, 1) == [1.0]


def test_a_saved_position_is_newer_than_the_ledger(topics: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """Once there is a checkpoint, it decides."""
    source = started(topics, topic, tmp_path)
    reader = source.open(f"{topic}:0", None, bounded=False)
    topics.append(topic, 0, [payload(1)])
    values(reader, 1)
    position = reader.position()
    topics.append(topic, 0, [payload(2)])
    assert values(started(topics, topic, tmp_path).open(f"{topic}:0", position, bounded=False), 1) == [2.0]


def test_a_topic_made_anew_is_not_read_from_an_old_start(topics: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """The offset in the ledger is one of the topic that is gone."""
    started(topics, topic, tmp_path).open(f"{topic}:0", None, bounded=False).close()
    topics.delete(topic)
    topics.create(topic, 2)
    with pytest.raises(StateError, match="was deleted and created again"):
        started(topics, topic, tmp_path).open(f"{topic}:0", None, bounded=False)


def test_a_start_at_the_earliest_keeps_no_ledger(topics: KafkaTopics, topic: str, tmp_path: Path) -> None:
    """The first record is the same one at each start."""
    started(topics, topic, tmp_path, start="earliest").open(f"{topic}:0", None, bounded=False).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kafka
def test_a_partition_that_came_while_the_flow_was_down_is_read_whole(
    kafka: KafkaTopics, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Nobody asked to skip what it holds."""
    topic = unique_name("records")
    kafka.create(topic, 1)
    started(kafka, topic, tmp_path).open(f"{topic}:0", None, bounded=False).close()
    kafka.grow(topic, 2)
    kafka.append(topic, 1, [payload(1), payload(2)])
    source = started(kafka, topic, tmp_path)
    assert source.partitions() == [f"{topic}:0", f"{topic}:1"]
    assert values(source.open(f"{topic}:1", None, bounded=False), 2) == [1.0, 2.0]
