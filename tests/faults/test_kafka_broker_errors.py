"""Errors that brokers answer with: those that pass are retried without loss or repeat, the others stop with a count.

Rows 6 and 7 of the fault matrix. The errors are injected by librdkafka's mock cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from brokers.record_logs import RECORDS, payload
from fault_table import Figures
from pynomaly.application.output import Output
from pynomaly.application.ports import Message, MessageWriter, PartitionReader
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import AccessError, DeliveryError
from pynomaly.infrastructure.telemetry.heartbeat import Heartbeat
from pynomaly.infrastructure.telemetry.metrics import PrometheusTelemetry
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_flows.sink import OpenOutputs, OutputSink

PRODUCE, FETCH = 0, 1
UNKNOWN_TOPIC, NOT_LEADER, TIMED_OUT, NOT_ENOUGH_REPLICAS, STORAGE = 3, 6, 7, 19, 56
TOO_LARGE, REFUSED, OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID = 10, 29, 45, 59
PASSING = {
    "unknown topic": [UNKNOWN_TOPIC] * 3,
    "not leader": [NOT_LEADER] * 5,
    "timed out": [TIMED_OUT] * 3,
    "not enough replicas": [NOT_ENOUGH_REPLICAS] * 3,
    "storage": [STORAGE] * 3,
}
PARTITIONS, BROKERS = 4, 3


@pytest.fixture
def brokers() -> Iterator[MockCluster]:
    """Three brokers with topic `records`, to break."""
    cluster = MockCluster(BROKERS)
    KafkaTopics(cluster.bootstrap, cluster).create("records", PARTITIONS)
    yield cluster
    cluster.close()


def sink(cluster: MockCluster, **fields: object) -> KafkaMessageSink:
    """Return the code under test, writing."""
    given = {"kind": "kafka", "bootstrap": cluster.bootstrap, "topic": "records", "timeout_s": 10, **fields}
    return KafkaMessageSink(KafkaSink.model_validate(given))


def messages(first: int, count: int) -> list[Message]:
    """Return messages of eight keys, whose values rise."""
    return [Message(payload(number), b"key-%d" % (number % 8)) for number in range(first, first + count)]


def stored(cluster: MockCluster) -> list[tuple[bytes | None, bytes | None]]:
    """Return key and value of everything in the topic, partition by partition."""
    return [(message.key(), message.value()) for message in KafkaTopics(cluster.bootstrap, cluster).read("records")]


def figures(cluster: MockCluster, row: int, fault: str, written: int, faults: int) -> Figures:
    """Count what became of messages with different values."""
    found = [value for _, value in stored(cluster)]
    different = len(set(found))
    return Figures(row, fault, written, written - different, len(found) - different, faults)


def assert_once_and_in_order(cluster: MockCluster, count: int) -> None:
    """Fail unless every message is there once, and those of a key stand in the order of writing."""
    found = stored(cluster)
    assert len(found) == count
    for key in {key for key, _ in found}:
        values = [value for other, value in found if other == key]
        assert values == [message.value for message in messages(0, count) if message.key == key]


@pytest.mark.parametrize(("name", "errors"), PASSING.items(), ids=PASSING)
def test_a_writer_outlasts_errors_that_pass(
    brokers: MockCluster, name: str, errors: list[int], tell: Callable[[Figures], None]
) -> None:
    """Nothing is lost, repeated or out of order, and the flow is not told."""
    writer = sink(brokers).open(None)
    writer.write(messages(0, 200))
    writer.flush()
    brokers.fail_requests(PRODUCE, *errors)
    writer.write(messages(200, 200))
    writer.flush()
    writer.close()
    tell(figures(brokers, 6, f"output answered: {name}", 400, len(errors)))
    assert_once_and_in_order(brokers, 400)


def test_a_writer_follows_the_leaders(brokers: MockCluster, tell: Callable[[Figures], None]) -> None:
    """Every partition changes its leader, again and again under load."""
    writer = sink(brokers).open(None)
    for turn in range(6):
        writer.write(messages(turn * 300, 300))
        for partition in range(PARTITIONS):
            brokers.lead("records", partition, 1 + (turn + partition) % BROKERS)
    writer.flush()
    writer.close()
    tell(figures(brokers, 6, "output: all leaders move", 1_800, 6 * PARTITIONS))
    assert_once_and_in_order(brokers, 1_800)


def opened(cluster: MockCluster) -> list[PartitionReader]:
    """Open all partitions of the topic."""
    spec = KafkaSource(kind="kafka", bootstrap=cluster.bootstrap, topic="records", timeout_s=20)
    source = KafkaRecordSource(spec, json_decoder(RECORDS, "portable"))
    return [source.open(name, None, bounded=False) for name in source.partitions()]


def reading(readers: list[PartitionReader], found: list[float], count: int) -> Callable[[], bool]:
    """Return a step that polls all readers and tells whether ``count`` values have come."""

    def poll() -> bool:
        for reader in readers:
            batch = reader.poll()
            found.extend([] if batch is None else batch.values[:, 0].tolist())
        return len(found) >= count

    return poll


@pytest.mark.usefixtures("each_reader")
@pytest.mark.parametrize("errors", PASSING.values(), ids=PASSING)
def test_a_reader_outlasts_errors_that_pass(brokers: MockCluster, errors: list[int]) -> None:
    """Every record is read once, although the next fetches fail."""
    topics = KafkaTopics(brokers.bootstrap, brokers)
    for partition in range(PARTITIONS):
        topics.append("records", partition, [payload(partition)])
    readers, found = opened(brokers), list[float]()
    until(reading(readers, found, PARTITIONS), "the first records")
    brokers.fail_requests(FETCH, *errors)
    for partition in range(PARTITIONS):
        topics.append("records", partition, [payload(100 + partition)])
    until(reading(readers, found, 2 * PARTITIONS), "the records after the errors")
    assert sorted(found) == [0, 1, 2, 3, 100, 101, 102, 103]
    for reader in readers:
        reader.close()


@pytest.mark.usefixtures("each_reader")
def test_a_reader_follows_the_leaders(brokers: MockCluster) -> None:
    """Every partition changes its leader while it is read; every record comes once, in order."""
    topics = KafkaTopics(brokers.bootstrap, brokers)
    readers, found = opened(brokers), list[float]()
    for turn in range(4):
        for partition in range(PARTITIONS):
            topics.append("records", partition, [payload(turn)])
            brokers.lead("records", partition, 1 + (turn + partition) % BROKERS)
        until(reading(readers, found, PARTITIONS * (turn + 1)), f"the records of turn {turn}")
    assert found == [turn for turn in range(4) for _ in range(PARTITIONS)]
    for reader in readers:
        reader.close()


@pytest.mark.parametrize(
    ("error", "text"),
    [(TOO_LARGE, "must be no larger than client and broker allow"), (REFUSED, "grant WRITE on the topic")],
    ids=["too large", "not authorised"],
)
def test_permanent_errors_stop_the_epoch_and_are_counted(
    brokers: MockCluster, error: int, text: str, tell: Callable[[Figures], None]
) -> None:
    """The snapshot that would make the epoch durable fails, and the metric says how many events were not delivered."""
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry("pumps", registry, version="1", heartbeat=Heartbeat(60.0), outputs=["alerts"])
    output = Output("alerts", sink(brokers, client={"linger.ms": 200}), lambda _result: [])
    partition = OutputSink(output, telemetry, OpenOutputs()).build_part("output", "all", None)

    def failures() -> float | None:
        labels = {"flow": "pumps", "output": "alerts"}
        return registry.get_sample_value("pynomaly_delivery_failures_total", labels)

    assert failures() == 0
    partition.write_batch([[Message(b"%d" % number, b"one key") for number in range(7)]])
    brokers.fail_requests(PRODUCE, error)
    with pytest.raises((AccessError, DeliveryError), match=text):
        partition.snapshot()
    assert failures() == 7
    with pytest.raises((AccessError, DeliveryError), match=text):
        partition.write_batch([[Message(b"8", b"one key")]])
    partition.close()
    tell(Figures(7, f"output refused: error {error}", 7, 0, 0, note=f"{failures()} counted, epoch not durable"))
    assert stored(brokers) == []


def test_a_producer_that_brokers_have_forgotten_goes_on(brokers: MockCluster) -> None:
    """A broker that no longer knows it is told who it is; nothing is lost or repeated."""
    writer = sink(brokers).open(None)
    writer.write(messages(0, 100))
    writer.flush()
    brokers.fail_requests(PRODUCE, UNKNOWN_PRODUCER_ID)
    writer.write(messages(100, 100))
    writer.flush()
    writer.close()
    assert_once_and_in_order(brokers, 200)


def test_a_broken_sequence_stops_the_epoch(brokers: MockCluster) -> None:
    """Brokers that lost what they had acknowledged end this producer; another one begins a sequence of its own."""
    writer = sink(brokers, client={"linger.ms": 200}).open(None)
    writer.write(messages(0, 100))
    writer.flush()
    epoch = [Message(payload(number), b"one key") for number in range(100, 200)]
    brokers.fail_requests(PRODUCE, OUT_OF_ORDER_SEQUENCE)
    with pytest.raises(DeliveryError, match="must be delivered, failed: OUT_OF_ORDER_SEQUENCE_NUMBER") as stopped:
        write_all(writer, epoch)
    assert stopped.value.messages == 100
    writer.close()
    again = sink(brokers).open(None)
    write_all(again, epoch)
    again.close()
    assert sorted(value or b"" for _, value in stored(brokers)) == sorted(map(payload, range(200)))


def write_all(writer: MessageWriter, written: list[Message]) -> None:
    """Write an epoch."""
    writer.write(written)
    writer.flush()


def test_a_time_that_is_up_is_counted(brokers: MockCluster) -> None:
    """Brokers that stay away longer than the output may wait cost the epoch, never an event."""
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry("pumps", registry, version="1", heartbeat=Heartbeat(60.0), outputs=["alerts"])
    output = Output("alerts", sink(brokers, delivery_timeout_s=1), lambda _result: [])
    partition = OutputSink(output, telemetry, OpenOutputs()).build_part("output", "all", None)
    brokers.go_down()
    partition.write_batch([messages(0, 5)])
    with pytest.raises(DeliveryError, match="_MSG_TIMED_OUT"):
        partition.snapshot()
    labels = {"flow": "pumps", "output": "alerts"}
    assert registry.get_sample_value("pynomaly_delivery_failures_total", labels) == 5
    partition.close()
