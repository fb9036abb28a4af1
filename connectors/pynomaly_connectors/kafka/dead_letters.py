"""Dead letters in a topic of Kafka, and input topics to produce to again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, Message, TopicPartition

from pynomaly.application.dead_letter import DeadLetter
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.dead_letter import read_dead_letter
from pynomaly_connectors.kafka.client import NO_GROUP, connect, connection_settings
from pynomaly_connectors.kafka.cluster import ask, find_topic, refused_topic
from pynomaly_connectors.kafka.error_code import END_OF_PARTITION, TOPIC_UNKNOWN
from pynomaly_connectors.kafka.message_batch import headers_of
from pynomaly_connectors.kafka.sink import ANY_PARTITION, KafkaMessageWriter
from pynomaly_connectors.kafka.trouble import Clock, Trouble

_FETCHED_MESSAGES: Final = 500
_FETCH_S: Final = 0.1
_MS_NS: Final = 1_000_000


class KafkaDeadLetters:
    """A topic that `KafkaMessageSink` writes.

    Reading commits nothing and joins no group. At most 64 MiB are fetched ahead.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    clock
        Monotonic seconds.
    """

    def __init__(self, spec: KafkaSink, clock: Clock = time.monotonic) -> None:
        self._spec = spec
        self._clock = clock

    @property
    def where(self) -> str:
        """Topic and cluster."""
        return f"topic {self._spec.topic} at {self._spec.bootstrap}"

    def letters(self) -> Iterator[DeadLetter | None]:
        """Yield the letters partition by partition, up to the end that each has when its turn comes."""
        topic = find_topic(self._spec, self._spec.topic, self._clock)
        trouble = Trouble(self._spec, self._clock)
        settings: dict[str, object] = {
            **connection_settings(self._spec),
            "group.id": NO_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 65_536,
            "error_cb": trouble.report,
        }
        consumer = connect(Consumer, settings)
        try:
            for number in topic.partitions:
                yield from self._partition(consumer, trouble, TopicPartition(topic.name, number))
        finally:
            consumer.close()

    def _partition(self, consumer: Consumer, trouble: Trouble, where: TopicPartition) -> Iterator[DeadLetter | None]:
        low, high = self._watermarks(consumer, trouble, where)
        if low == high:
            return
        consumer.assign([TopicPartition(where.topic, where.partition, low)])
        while True:
            messages = consumer.consume(_FETCHED_MESSAGES, _FETCH_S)
            if not messages:
                trouble.raise_outage()
            for message in messages:
                if self._is_end(message, high):
                    return
                yield _letter(message)

    def _watermarks(self, consumer: Consumer, trouble: Trouble, where: TopicPartition) -> tuple[int, int]:
        def question(seconds: float) -> tuple[int, int]:
            return consumer.get_watermark_offsets(where, timeout=seconds)

        try:
            return ask(question, trouble, consumer.poll, self._spec.timeout_s, self._clock)
        except KafkaException as failure:
            raise refused_topic(self._spec, self._spec.topic, failure.args[0]) from None

    def _is_end(self, message: Message, high: int) -> bool:
        error = message.error()
        if error is None:
            return (message.offset() or 0) >= high
        if error.code() == END_OF_PARTITION:
            return True
        if error.code() in TOPIC_UNKNOWN or not error.retriable():
            raise refused_topic(self._spec, self._spec.topic, error)
        return False


class KafkaRecordWriter:
    """A topic, written by an idempotent producer.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    clock
        Monotonic seconds.

    Raises
    ------
    MissingInputError
        When there is no such topic.
    UnavailableError
        Within the connection's bound, when the cluster is silent or refuses us.
    """

    def __init__(self, spec: KafkaSink, clock: Clock = time.monotonic) -> None:
        self._partitions = find_topic(spec, spec.topic, clock).partitions
        self._writer = KafkaMessageWriter(spec, clock)

    def send(self, record: RawRecord, partition: int | None) -> None:
        """Queue a record."""
        is_there = partition is not None and partition in self._partitions
        self._writer.send(record, partition if is_there and partition is not None else ANY_PARTITION)

    def flush(self) -> None:
        """Return when every record is acknowledged by all in-sync replicas."""
        self._writer.flush()

    def close(self) -> None:
        """Drop whatever was not flushed; may be called twice."""
        self._writer.close()


def _letter(message: Message) -> DeadLetter | None:
    if message.error() is not None:
        return None
    kind, stamp_ms = message.timestamp()
    written_ns = None if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms * _MS_NS
    return read_dead_letter(RawRecord(message.value(), message.key(), headers_of(message)), written_ns)
