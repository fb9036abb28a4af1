"""What tests do to a Kafka cluster beside the code under test: make topics, write and read them plainly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage] # documented there, as are the others
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage]
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    NewPartitions,  # pyright: ignore[reportPrivateImportUsage]
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from brokers.mock_cluster import MockCluster

DEADLINE_S = 20.0
QUIET: Final = logging.getLogger("tests.brokers.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds, and fail naming it when it does not."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"must happen within {deadline_s:g} s: {what}"
        time.sleep(0.01)


class KafkaTopics:
    """Topics of one cluster.

    Parameters
    ----------
    bootstrap
        The cluster.
    mock
        The cluster itself, if it is a mock: that has no admin API for topics.
    replication
        Brokers that hold each partition of a topic that is created.
    """

    def __init__(self, bootstrap: str, mock: MockCluster | None = None, replication: int = 1) -> None:
        self.bootstrap = bootstrap
        self._replication = replication
        self._mock = mock
        self._admin = AdminClient({"bootstrap.servers": bootstrap}, logger=QUIET)
        # Idempotent, or a retry could put messages in another order than the test's.
        settings = {"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True}
        self._producer = Producer(settings, logger=QUIET)

    def create(self, topic: str, partitions: int = 1, **config: str) -> None:
        """Create a topic and wait until every partition's leader serves it."""
        if self._mock is not None:
            self._mock.create_topic(topic, partitions)
        else:
            settings = {name.replace("_", "."): value for name, value in config.items()}
            new = NewTopic(topic, partitions, self._replication, config=settings)
            self._admin.create_topics([new])[topic].result(DEADLINE_S)
        until(lambda: self._served(topic, partitions), f"topic {topic} is served")

    def grow(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions, up to a number, and wait until every one has a leader."""
        self._admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(DEADLINE_S)
        until(lambda: self._served(topic, partitions), f"all {partitions} partitions of {topic} are served")

    def alter(self, topic: str, **config: str) -> None:
        """Change settings of a topic and wait until they are in force."""
        settings = {name.replace("_", "."): value for name, value in config.items()}
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
        ]
        where = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self._admin.incremental_alter_configs([where])[where].result(DEADLINE_S)
        until(lambda: settings.items() <= self._settings(topic).items(), f"settings of {topic} are in force")

    def delete(self, topic: str) -> None:
        """Delete a topic and wait until it is gone."""
        if self._mock is not None:
            self._mock.delete_topic(topic)
        else:
            self._admin.delete_topics([topic])[topic].result(DEADLINE_S)
        until(lambda: self.topic_id(topic) is None, f"topic {topic} is gone")

    def leaders(self, topic: str) -> dict[int, int]:
        """Return the broker that leads each partition."""
        found = self._admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions
        return {number: partition.leader for number, partition in found.items()}

    def await_in_sync(self, *topics: str) -> None:
        """Wait until every replica of topics has all of their records."""

        def in_sync() -> bool:
            try:
                found = [self._admin.list_topics(topic, timeout=1).topics[topic].partitions for topic in topics]
            except KafkaException:
                return False
            replicas = [(len(partition.isrs), len(partition.replicas)) for each in found for partition in each.values()]
            return all(there == wanted == self._replication for there, wanted in replicas)

        until(in_sync, f"every replica of {topics} is in sync", 60.0)

    def topic_id(self, topic: str) -> str | None:
        """Return Kafka's id of a topic; None if there is no such topic."""
        try:
            described = self._admin.describe_topics(TopicCollection([topic]), request_timeout=DEADLINE_S)
            return str(described[topic].result(DEADLINE_S).topic_id)
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete the oldest records of a partition, as retention does."""
        where = TopicPartition(topic, partition, before)
        self._admin.delete_records([where])[where].result(DEADLINE_S)

    def append(self, topic: str, partition: int, values: Iterable[bytes | None], **fields: Any) -> None:
        """Append records in order and wait until they are stored."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error)

        for value in values:
            self._producer.produce(topic, value, partition=partition, on_delivery=delivered, **fields)
        assert self._producer.flush(DEADLINE_S) == 0
        assert not failures

    def read(self, topic: str) -> list[Message]:
        """Return everything a topic holds, partition by partition."""
        settings = {
            "bootstrap.servers": self.bootstrap,
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
        }
        consumer = Consumer(settings, logger=QUIET)
        try:
            numbers = sorted(self._admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions)
            return [message for number in numbers for message in _read(consumer, TopicPartition(topic, number))]
        finally:
            consumer.close()

    def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the offset that a group has committed; negative if none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group}, logger=QUIET)
        try:
            return consumer.committed([TopicPartition(topic, partition)], timeout=DEADLINE_S)[0].offset
        finally:
            consumer.close()

    def _settings(self, topic: str) -> dict[str, str | None]:
        where = ConfigResource(ResourceType.TOPIC, topic)
        found = self._admin.describe_configs([where])[where].result(DEADLINE_S)
        return {name: entry.value for name, entry in found.items()}

    def _served(self, topic: str, partitions: int) -> bool:
        """Tell whether every leader answers: metadata name it before it knows, and it refuses until then."""
        found = self._admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions
        if len(found) < partitions or any(partition.leader < 0 for partition in found.values()):
            return False
        ends = {TopicPartition(topic, number): OffsetSpec.latest() for number in found}
        try:
            for answer in self._admin.list_offsets(ends, request_timeout=DEADLINE_S).values():
                answer.result(DEADLINE_S)
        except KafkaException:
            return False
        return True


def _read(consumer: Consumer, where: TopicPartition) -> list[Message]:
    low, _ = consumer.get_watermark_offsets(where, timeout=DEADLINE_S)
    consumer.assign([TopicPartition(where.topic, where.partition, low)])
    found: list[Message] = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return found
            else:
                raise KafkaException(error)
    raise AssertionError(f"{where} must be read to its end within {DEADLINE_S:g} s")
