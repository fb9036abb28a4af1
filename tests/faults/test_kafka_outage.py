"""Brokers that die, hang and come back under a reader and a writer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from brokers.apache_kafka import ApacheKafka
from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import Message, PartitionReader
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import TransientError
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.source import KafkaRecordSource

pytestmark = pytest.mark.usefixtures("each_reader")


def opened(bootstrap: str, outage_s: float) -> PartitionReader:
    """Open the only partition of topic `records`."""
    spec = KafkaSource(kind="kafka", bootstrap=bootstrap, topic="records", outage_s=outage_s)
    source = KafkaRecordSource(spec, json_decoder(RECORDS, "portable"))
    return source.open(source.partitions()[0], None, bounded=False)


def reading(reader: PartitionReader, found: list[float], count: int) -> Callable[[], bool]:
    """Return a step that polls into ``found`` and tells whether ``count`` values have come."""

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            found.extend(batch.values[:, 0].tolist())
        return len(found) >= count

    return poll


def test_an_outage_longer_than_the_bound_stops_the_reader(mock_cluster: MockCluster) -> None:
    """Silence is not taken for an idle topic for ever."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    reader = opened(mock_cluster.bootstrap, outage_s=1)
    mock_cluster.go_down()
    with pytest.raises(TransientError, match=r"must answer within 1 s, was silent"):
        until(reading(reader, [], 1), "the outage is told")
    reader.close()


def test_an_outage_within_the_bound_is_waited_out(mock_cluster: MockCluster) -> None:
    """The reader finds its place again, and the outage is forgotten although the topic stays idle meanwhile."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    topics.append("records", 0, [payload(0), payload(1)])
    reader = opened(mock_cluster.bootstrap, outage_s=30)
    found: list[float] = []
    until(reading(reader, found, 2), "the first records")
    mock_cluster.go_down()
    for _ in range(20):
        assert reader.poll() is None
    mock_cluster.come_up()
    topics.append("records", 0, [payload(2)])
    until(reading(reader, found, 3), "the record after the outage")
    assert found == [0.0, 1.0, 2.0]
    reader.close()


def test_records_fetched_before_an_outage_do_not_hide_it(mock_cluster: MockCluster) -> None:
    """Brokers that are away are missed while there is still something to read."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    topics.append("records", 0, map(payload, range(2_000)))
    spec = KafkaSource(kind="kafka", bootstrap=mock_cluster.bootstrap, topic="records", outage_s=2, batch_records=1)
    source = KafkaRecordSource(spec, json_decoder(RECORDS, "portable"))
    reader = source.open(source.partitions()[0], None, bounded=False)
    found: list[float] = []
    until(reading(reader, found, 1_000), "half of the records")  # by then the others were fetched
    mock_cluster.go_down()
    until(lambda: reader.poll() is not None and reader.outage is not None, "the outage is noticed")
    until(reading(reader, found, len(found) + 2), "records are given all the same")
    assert reader.outage is not None
    with pytest.raises(TransientError, match="must answer within 2 s, was silent"):
        until(reading(reader, found, 10_000), "the outage is told")
    reader.close()


def test_a_slow_network_does_not_prolong_an_outage(mock_cluster: MockCluster) -> None:
    """Brokers that take 200 ms to answer are back as soon as they answer, although the topic is idle."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    topics.append("records", 0, [payload(0)])
    reader = opened(mock_cluster.bootstrap, outage_s=30)
    until(reading(reader, [], 1), "the first record")
    mock_cluster.go_down()
    until(lambda: reader.poll() is None and reader.outage is not None, "the outage is noticed")
    mock_cluster.answer_after(200)
    mock_cluster.come_up()
    until(lambda: reader.poll() is None and reader.outage is None, "the brokers are back", 15.0)
    reader.close()


@pytest.mark.kafka
def test_a_killed_broker_that_comes_back_loses_and_repeats_nothing(own_kafka: ApacheKafka) -> None:
    """Reader and writer go on by themselves: every message once, in order, acknowledged when flush returns."""
    topics = KafkaTopics(own_kafka.bootstrap)
    topics.create("records")
    reader = opened(own_kafka.bootstrap, outage_s=60)
    writer = KafkaMessageSink(KafkaSink(kind="kafka", bootstrap=own_kafka.bootstrap, topic="records")).open(None)
    found: list[float] = []
    writer.write([Message(payload(number), b"k") for number in range(1000)])
    until(reading(reader, found, 1), "the first records")
    own_kafka.kill()
    writer.write([Message(payload(number), b"k") for number in range(1000, 2000)])
    own_kafka.start()
    writer.flush()
    until(reading(reader, found, 2000), "all records", deadline_s=60)
    assert sorted(set(found)) == [float(number) for number in range(2000)]
    assert len(found) == 2000
    writer.close()
    reader.close()


@pytest.mark.kafka
def test_a_hanging_broker_is_waited_for(own_kafka: ApacheKafka) -> None:
    """An open connection without answers looks like an idle topic: a poll does not block on it, the watch tells."""
    topics = KafkaTopics(own_kafka.bootstrap)
    topics.create("records")
    reader = opened(own_kafka.bootstrap, outage_s=60)
    found: list[float] = []
    topics.append("records", 0, [payload(0)])
    until(reading(reader, found, 1), "the first record")
    own_kafka.pause()
    until(lambda: reader.poll() is None and reader.outage is not None, "the hang is noticed", 5.0)
    assert reader.outage == f"kafka at {own_kafka.bootstrap} must answer within 2 s, is silent"
    own_kafka.resume()
    topics.append("records", 0, [payload(1)])
    until(reading(reader, found, 2), "the record after the pause")
    assert found == [0.0, 1.0]
    until(lambda: reader.poll() is None and reader.outage is None, "the broker is back")
    reader.close()
