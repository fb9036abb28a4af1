"""Partitions of a topic read through librdkafka's batch call: no Python object for a record.

Each partition has a queue of its own, so partitions need not wait for each other and nothing is sorted. What librdkafka
fetches ahead is bounded for each queue; the feed divides its bounds among the partitions of the topic, down to what a
queue needs to keep up. A process that reads few of many partitions holds less than its bound: what it will read besides
is not known when the first one is opened.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaSource
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.kafka.client import LIBRARY_LOG, Settings, consumer_settings
from pynomaly_connectors.kafka.cluster import Topic
from pynomaly_connectors.kafka.error_code import END_OF_PARTITION, FETCH_FAULT, OFFSET_OUT_OF_RANGE, TOPIC_REFUSED
from pynomaly_connectors.kafka.feed import OffsetOutOfRangeError, check_fault, tell_failed_commit
from pynomaly_connectors.kafka.loss_forecast import Retention
from pynomaly_connectors.kafka.native.batch import Fault, MessageKernels
from pynomaly_connectors.kafka.native.consumer import NativeConsumer
from pynomaly_connectors.kafka.passing_fault import PassingFaults
from pynomaly_connectors.kafka.topic_side import TopicSide
from pynomaly_connectors.kafka.trouble import Clock

_SERVE_EVERY_S: Final = 0.01
_LOG_LEVEL: Final = 7  # debug: the level of a line says little of what it means to us
#: Bounds of what is fetched ahead, which hold for each queue, and the least that a queue needs to keep up.
_DIVIDED: Final = {"queued.min.messages": 1_000, "queued.max.messages.kbytes": 1_024}


class NativeFeed:
    """The partitions of one topic behind one librdkafka handle.

    Costs about 0.3 us of CPU a record, librdkafka's threads included.

    Parameters
    ----------
    source
        How to read the topic.
    topic
        The topic as it is now.
    kernels
        What copies messages out of librdkafka.
    clock
        Monotonic seconds.
    bounded
        Whether all partitions are read to a known end; see `TopicWatch`.

    Raises
    ------
    LibraryMissingError
        When librdkafka cannot be called on this platform.
    """

    def __init__(
        self,
        source: KafkaSource,
        topic: Topic,
        kernels: MessageKernels,
        clock: Clock = time.monotonic,
        *,
        bounded: bool = False,
    ) -> None:
        self._source = source
        self._clock = clock
        self._side = TopicSide(source, topic, clock, bounded=bounded)
        settings = divided(consumer_settings(source), len(topic.partitions))
        self._consumer = NativeConsumer(settings, self._told, self._committed, _log_line, kernels)
        self._ends: dict[int, int] = {}
        self._faults: dict[int, Fault] = {}
        self._passing = PassingFaults(source, clock)
        self._served_at = clock()
        self._lock = Lock()

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering."""
        return self._side.outage

    def watermarks(self, partition: int) -> tuple[int, int]:
        """Ask the broker."""

        def question(seconds: float) -> tuple[int, int]:
            return self._consumer.watermarks(self._source.topic, partition, seconds)

        return self._side.watermarks(question, self._serve)

    def known_watermarks(self, partition: int) -> tuple[int, int] | None:
        """Return the first offset and the end of a partition as the last fetch told them; never blocks."""
        return self._consumer.known_watermarks(self._source.topic, partition)

    def retention(self) -> Retention:
        """Return what makes the topic delete records, as far as it is known by now; never blocks."""
        with self._lock:
            return self._side.retention()

    def add(self, partition: int, offset: int) -> None:
        """Begin to read a partition at an offset."""
        with self._lock:
            if partition in self._ends:
                raise ValueError(f"partition {self._source.topic}:{partition} must be open once, was open already")
            self._ends[partition] = offset
            self._consumer.assign(self._source.topic, partition, offset)

    def remove(self, partition: int) -> None:
        """Stop reading a partition; may be called twice."""
        with self._lock:
            if self._ends.pop(partition, None) is not None:
                self._faults.pop(partition, None)
                self._consumer.unassign(self._source.topic, partition)

    def take(self, partition: int) -> RawBatch | None:
        """Return what is in the partition's queue."""
        with self._lock:
            self._side.look()
            self._serve_now_and_then()
            if partition in self._faults:
                self._check(partition, self._faults.pop(partition))
            lease = self._consumer.take(self._source.topic, partition, self._source.batch_records)
            if lease is None:
                return None
            raw, faults = lease.columns()
            for fault in faults:
                self._judge(partition, fault, read=len(raw))
        if len(raw) > 0:
            self._passing.clear(partition)
            return raw
        return None

    def end(self, partition: int) -> int:
        """Return the offset at which the broker last said that nothing follows; holes at the end are behind it."""
        return self._ends[partition]

    def commit(self, partition: int, offset: int) -> None:
        """Send a group offset on its way, if the flow has a group; a failure is logged and nothing else."""
        if self._source.group is not None:
            self._consumer.commit(self._source.topic, partition, offset)

    def close(self) -> None:
        """Close the handle."""
        with self._lock:
            self._consumer.close()
        self._side.close()

    def _serve(self, _seconds: float) -> None:
        self._consumer.serve()

    def _serve_now_and_then(self) -> None:
        now = self._clock()
        if now - self._served_at >= _SERVE_EVERY_S:
            self._served_at = now
            self._consumer.serve()

    def _judge(self, partition: int, fault: Fault, *, read: int) -> None:
        """Take note of the end of a partition; keep other faults until the records before them are taken."""
        if fault.error.code() == END_OF_PARTITION:
            self._ends[partition] = fault.offset
        elif read > 0:
            self._faults.setdefault(partition, fault)
        else:
            self._check(partition, fault)

    def _check(self, partition: int, fault: Fault) -> None:
        if fault.error.code() == OFFSET_OUT_OF_RANGE:
            raise OffsetOutOfRangeError(partition, fault.offset)
        if fault.error.code() in FETCH_FAULT:
            self._passing.add(partition, fault.error)
            return
        check_fault(self._source, fault.error, of_the_topic=True)

    def _told(self, error: KafkaError) -> None:
        """Take an error that belongs to no partition: of librdkafka itself (below 0), or of the group's coordinator."""
        if error.code() < 0:
            self._side.trouble.report(error)
        else:
            check_fault(self._source, error, of_the_topic=error.code() in TOPIC_REFUSED)

    def _committed(self, error: KafkaError) -> None:
        tell_failed_commit(self._source, self._source.topic, error)


def divided(settings: Settings, partitions: int) -> Settings:
    """Divide among the partitions what would otherwise hold for each of them."""
    bounds = {key: int(str(settings[key])) for key in _DIVIDED}
    return settings | {key: min(bounds[key], max(least, bounds[key] // partitions)) for key, least in _DIVIDED.items()}


def _log_line(text: str) -> None:
    LIBRARY_LOG.log(_LOG_LEVEL, text)
