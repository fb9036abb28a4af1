"""One consumer for all partitions of a topic that this process reads, handing them out one at a time.

One handle costs a few threads whatever the number of partitions, and an idle partition costs no wait: a fetch
takes what is there for anyone. Rules of the hand-out:

1. A partition with records at hand gives them; otherwise it fetches, and records of other partitions are put
   on their own lanes.
2. While a full lane waits for its owner, nobody fetches: its owner is about to come.
3. Who finds nothing twice in a row because of such a lane fetches all the same, and the lane is paused: its
   owner stays away. It resumes when the owner has emptied it.

So a lane holds less than two batches, whatever the order in which partitions are asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pynomaly.application.spec.source import KafkaSource
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.kafka.client import connect, consumer_settings
from pynomaly_connectors.kafka.cluster import Topic
from pynomaly_connectors.kafka.error_code import END_OF_PARTITION, FETCH_FAULT, OFFSET_OUT_OF_RANGE
from pynomaly_connectors.kafka.feed import OffsetOutOfRangeError, check_fault, tell_failed_commit
from pynomaly_connectors.kafka.loss_forecast import Retention
from pynomaly_connectors.kafka.message_batch import raw_batch
from pynomaly_connectors.kafka.passing_fault import PassingFaults
from pynomaly_connectors.kafka.topic_side import TopicSide
from pynomaly_connectors.kafka.trouble import Clock


@dataclass(slots=True)
class _Lane:
    """Records of one partition that wait for their owner."""

    messages: list[Message] = field(default_factory=list[Message])
    end: int = 0
    paused: bool = False
    gone: int | None = None


class PortableFeed:
    """The partitions of one topic behind one `confluent_kafka.Consumer`.

    Costs about 1.5 us of CPU a record, librdkafka's threads included; most of it goes into the Python object that the
    client makes of each message.
    Every method may be called from any thread, but `close` only when nobody reads any more: the client does not
    survive being closed under a call.

    Parameters
    ----------
    source
        How to read the topic.
    topic
        The topic as it is now.
    clock
        Monotonic seconds.
    bounded
        Whether all partitions are read to a known end; see `TopicWatch`.
    """

    def __init__(
        self, source: KafkaSource, topic: Topic, clock: Clock = time.monotonic, *, bounded: bool = False
    ) -> None:
        self._source = source
        self._side = TopicSide(source, topic, clock, bounded=bounded)
        callbacks = {"error_cb": self._side.trouble.report, "on_commit": self._committed}
        self._consumer = connect(Consumer, consumer_settings(source) | callbacks)
        self._lanes: dict[int, _Lane] = {}
        self._turned_away: set[int] = set()
        self._passing = PassingFaults(source, clock)
        self._lock = Lock()

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering."""
        return self._side.outage

    def watermarks(self, partition: int) -> tuple[int, int]:
        """Ask the broker."""
        where = self._at(partition)

        def question(seconds: float) -> tuple[int, int]:
            return self._consumer.get_watermark_offsets(where, timeout=seconds)

        return self._side.watermarks(question, self._serve)

    def known_watermarks(self, partition: int) -> tuple[int, int] | None:
        """Return the first offset and the end of a partition as the last fetch told them; never blocks."""
        try:
            low, high = self._consumer.get_watermark_offsets(self._at(partition), cached=True)
        except KafkaException:
            return None
        return (low, high) if high >= 0 else None

    def retention(self) -> Retention:
        """Return what makes the topic delete records, as far as it is known by now; never blocks."""
        with self._lock:
            return self._side.retention()

    def add(self, partition: int, offset: int) -> None:
        """Begin to read a partition at an offset."""
        with self._lock:
            if partition in self._lanes:
                raise ValueError(f"partition {self._source.topic}:{partition} must be open once, was open already")
            self._lanes[partition] = _Lane(end=offset)
            self._consumer.incremental_assign([self._at(partition, offset)])

    def remove(self, partition: int) -> None:
        """Stop reading a partition and drop what waits for it; may be called twice."""
        with self._lock:
            if self._lanes.pop(partition, None) is not None:
                self._turned_away.discard(partition)
                self._consumer.incremental_unassign([self._at(partition)])

    def take(self, partition: int) -> RawBatch | None:
        """Return what is at hand, else fetch."""
        with self._lock:
            self._side.look()
            lane = self._lanes[partition]
            if not lane.messages and self._may_fetch(partition):
                self._fetch()
            messages = self._taken(lane, partition)
            if not messages and lane.gone is not None:
                gone, lane.gone = lane.gone, None
                raise OffsetOutOfRangeError(partition, gone)
        return raw_batch(messages) if messages else None

    def end(self, partition: int) -> int:
        """Return the offset at which the broker last said that nothing follows; holes at the end are behind it."""
        with self._lock:
            return self._lanes[partition].end

    def commit(self, partition: int, offset: int) -> None:
        """Send a group offset on its way, if the flow has a group; a failure is logged and nothing else."""
        if self._source.group is None:
            return
        try:
            self._consumer.commit(offsets=[self._at(partition, offset)], asynchronous=True)
        except KafkaException as failure:
            self._committed(failure.args[0], [self._at(partition, offset)])

    def close(self) -> None:
        """Close the handle."""
        with self._lock:
            self._consumer.close()
        self._side.close()

    def _at(self, partition: int, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._source.topic, partition, offset)

    def _serve(self, seconds: float) -> None:
        with self._lock:
            self._put_on_lanes(self._consumer.consume(1, seconds))

    def _taken(self, lane: _Lane, partition: int) -> list[Message]:
        limit = self._source.batch_records
        messages, lane.messages = lane.messages[:limit], lane.messages[limit:]
        if messages:
            self._turned_away.clear()
            self._passing.clear(partition)
        if lane.paused and not lane.messages:
            lane.paused = False
            self._consumer.resume([self._at(partition)])
        return messages

    def _may_fetch(self, partition: int) -> bool:
        limit = self._source.batch_records
        full = [other for other, lane in self._lanes.items() if len(lane.messages) >= limit and not lane.paused]
        if not full:
            return True
        if partition not in self._turned_away:
            self._turned_away.add(partition)
            return False
        self._consumer.pause([self._at(other) for other in full])
        for other in full:
            self._lanes[other].paused = True
        return True

    def _fetch(self) -> None:
        self._put_on_lanes(self._consumer.consume(self._source.batch_records, 0))

    def _put_on_lanes(self, messages: list[Message]) -> None:
        failed: list[Message] = []
        if any(map(Message.error, messages)):
            failed = [message for message in messages if message.error() is not None]
            messages = [message for message in messages if message.error() is None]
        if len(self._lanes) == 1:
            next(iter(self._lanes.values())).messages += messages
        elif messages:
            self._sort_out(messages)
        for message in failed:
            self._judge(message)

    def _sort_out(self, messages: list[Message]) -> None:
        """Cut the messages where the partition changes: a fetch brings them in long runs."""
        partitions = np.fromiter(map(Message.partition, messages), np.int32, len(messages))
        cuts = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(messages)]
        for begin, end in pairwise(cuts):
            lane = self._lanes.get(int(partitions[begin]))
            if lane is not None:
                lane.messages += messages[begin:end]

    def _judge(self, message: Message) -> None:
        """Decide what an error among the messages means; only some are about a place in a partition."""
        error = message.error()
        if error is None:
            return
        match error.code(), message.partition(), message.offset():
            case code, int(partition), int(offset) if code == END_OF_PARTITION:
                if partition in self._lanes:
                    self._lanes[partition].end = offset
            case code, int(partition), int(offset) if code == OFFSET_OUT_OF_RANGE:
                if partition in self._lanes:  # its owner is told, behind the records that it still has
                    self._lanes[partition].gone = offset
            case code, int(partition), _ if code in FETCH_FAULT and partition in self._lanes:
                self._passing.add(partition, error)
            case _:
                check_fault(self._source, error, of_the_topic=message.topic() is not None)

    def _committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        for offset in offsets:
            reason = error or offset.error
            if reason is not None:
                tell_failed_commit(self._source, f"{offset.topic}[{offset.partition}]@{offset.offset}", reason)
