"""A topic as a record source: one stream for each partition, resumed from our own positions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError, Problem, UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.kafka.cluster import Topic, find_topic
from pynomaly_connectors.kafka.feed import Feed, OffsetOutOfRangeError
from pynomaly_connectors.kafka.native.batch import MessageKernels
from pynomaly_connectors.kafka.native.feed import NativeFeed
from pynomaly_connectors.kafka.native.library import LibraryMissingError
from pynomaly_connectors.kafka.portable_feed import PortableFeed
from pynomaly_connectors.kafka.start_ledger import StartLedger, Starts
from pynomaly_connectors.kafka.trouble import Clock
from pynomaly_connectors.log_position import Log, LogPosition

_log = logging.getLogger(__name__)


class KafkaRecordSource:
    """All partitions of one topic; partition 3 of topic `events` is named `events:3`.

    Saved positions, not the group's offsets, decide where reading goes on: they belong to the checkpoint.

    Parameters
    ----------
    spec
        The topic and how to reach it.
    decoder
        Makes columns of the payloads; shared by all partitions.
    clock
        Monotonic seconds.
    kernels
        What the native reader copies messages with.
    ledger
        Folder of the flow's state that keeps where `start: latest` began; without one a partition that is opened
        again without position begins at the end that it has then.
    """

    def __init__(
        self,
        spec: KafkaSource,
        decoder: Decoder,
        clock: Clock = time.monotonic,
        kernels: MessageKernels | None = None,
        *,
        ledger: Path | None = None,
    ) -> None:
        self._spec = spec
        self._decoder = decoder
        self._clock = clock
        self._kernels = MessageKernels() if kernels is None else kernels
        self._ledger = None if ledger is None else StartLedger(ledger)
        self._topic: Topic | None = None
        self._feed: Feed | None = None
        self._open: set[int] = set()
        self._lock = Lock()

    @property
    def partitions_may_go(self) -> bool:
        """A topic loses no partition; another topic has others."""
        return False

    @property
    def partitions_may_come(self) -> bool:
        """If the flow says so: series whose key falls into another partition then begin anew."""
        return self._spec.new_partitions == "read"

    def partitions(self) -> list[str]:
        """Name the partitions that the topic has now.

        Raises
        ------
        UnavailableError
            Within the connection's bound, when the topic is missing or the cluster silent or refusing us.
        """
        self._topic = find_topic(self._spec, self._spec.topic, self._clock)
        return [f"{self._spec.topic}:{number}" for number in self._topic.partitions]

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        """Open a partition after ``position``, or at `start` when it is None.

        Raises
        ------
        UnavailableError
            When the cluster is silent, the log no longer holds the position, or the ledger cannot be written.
        StateError
            When the topic was deleted and created again since.
        """
        with self._lock:
            topic = self._topic or find_topic(self._spec, self._spec.topic, self._clock)
            self._topic = topic
            stream = Stream(topic.name, _number(partition, topic), topic.id)
            feed = self._feed or self._connect(topic, bounded=bounded)
            self._feed = feed
            try:
                log, offset = self._place(feed, topic, stream, position)
                feed.add(stream.partition, offset)
                self._open.add(stream.partition)
            finally:
                self._close_unused()
        end = log.high if bounded else None
        return KafkaPartitionReader(feed, self._decoder, stream, offset, end, lambda: self._release(stream.partition))

    def _connect(self, topic: Topic, *, bounded: bool) -> Feed:
        if self._spec.reader != "portable":
            try:
                return NativeFeed(self._spec, topic, self._kernels, self._clock, bounded=bounded)
            except LibraryMissingError as missing:
                if self._spec.reader == "fast":
                    rule = f"must be auto or portable on this platform ({missing}), was 'fast'"
                    raise ConfigError(Problem("source.reader", rule)) from None
                _log.warning("kafka_reader_portable", extra={"reason": str(missing)})
        return PortableFeed(self._spec, topic, self._clock, bounded=bounded)

    def _place(self, feed: Feed, topic: Topic, stream: Stream, position: bytes | None) -> tuple[Log, int]:
        """Return what a partition holds, and the offset to read first."""
        start = self._spec.start
        if position is None and start == "latest" and self._ledger is not None:
            # Before the log is looked at, which may only grow meanwhile.
            position = self._ledger.starts(topic.name, lambda: _ends(feed, topic)).position(stream.partition)
            start = "earliest"
        log = Log(stream, *feed.watermarks(stream.partition))
        return log, log.first_offset(position, start)

    def _release(self, partition: int) -> None:
        with self._lock:
            self._open.discard(partition)
            self._close_unused()

    def _close_unused(self) -> None:
        """Close the connection with its last reader."""
        if not self._open and self._feed is not None:
            self._feed.close()
            self._feed = None


class KafkaPartitionReader:
    """One open partition; made by `KafkaRecordSource.open`."""

    def __init__(
        self,
        feed: Feed,
        decoder: Decoder,
        stream: Stream,
        offset: int,
        end: int | None,
        release: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._decoder = decoder
        self._stream = stream
        self._next = offset
        self._end = end
        self._release: Callable[[], None] | None = release

    @property
    def stream(self) -> Stream:
        """Topic, partition and topic id."""
        return self._stream

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to the end that the partition had at open.

        Judged by position, not by counting: transaction markers and compaction leave holes.
        """
        return self._end is not None and self._next >= self._end

    @property
    def lag(self) -> int | None:
        """Offsets between the next record and the end as the last fetch told it; None before the first one."""
        high = self._feed.known_high(self._stream.partition) if self._release is not None else None
        return None if high is None else max(0, high - self._next)

    def poll(self) -> RecordBatch | None:
        """Return the next records in order, or None if there are none right now.

        Raises
        ------
        UnavailableError
            When retention has overtaken the reader, or the topic is gone or closed to us.
        StateError
            When the topic was deleted and created again, or an unbounded read finds that it was given more partitions.
        InputGrownError
            When it was, and the flow reads new partitions.
        TransientError
            When the brokers have been silent for longer than the connection's bound.
        """
        if self._release is None or self.at_end:
            return None
        raw = self._take()
        if raw is None:
            self._next = max(self._next, self._feed.end(self._stream.partition))
            batch = None
        else:
            batch = self._within(self._decoder.decode(self._stream, raw))
        if self.at_end:
            self._feed.remove(self._stream.partition)
        return batch

    def position(self) -> bytes:
        """Return the token to go on from: the next offset, and the topic's id."""
        return LogPosition(self._next, self._stream.incarnation).to_bytes()

    def confirm(self, position: bytes) -> None:
        """Commit the offset to the group, if the flow has one; for tools that show lag, never for resuming."""
        if self._release is not None:
            self._feed.commit(self._stream.partition, LogPosition.from_bytes(position).offset)

    def close(self) -> None:
        """Stop reading the partition; the last reader closes the connection. May be called twice."""
        if self._release is not None:
            self._feed.remove(self._stream.partition)
            self._release()
            self._release = None

    def _take(self) -> RawBatch | None:
        try:
            return self._feed.take(self._stream.partition)
        except OffsetOutOfRangeError as gone:
            lost = replace(self._stream, partition=gone.partition)
            raise Log(lost, *self._feed.watermarks(gone.partition)).out_of_range(gone.offset) from None

    def _within(self, batch: RecordBatch) -> RecordBatch | None:
        """Cut off what came after the end of a bounded read, and leave it to the next one."""
        if self._end is not None and batch.offset[-1] >= self._end:
            self._next = self._end
            batch = batch.slice(0, int(np.searchsorted(batch.offset, self._end)))
        else:
            self._next = int(batch.offset[-1]) + 1
        return batch if len(batch) > 0 else None


def _ends(feed: Feed, topic: Topic) -> Starts:
    return Starts(topic.id, {number: feed.watermarks(number)[1] for number in topic.partitions})


def _number(partition: str, topic: Topic) -> int:
    for number in topic.partitions:
        if partition == f"{topic.name}:{number}":
            return number
    raise UnavailableError(
        f"partition {partition} must be one of topic {topic.name}, which has partitions {list(topic.partitions)}; "
        "start over with --reset-state after a change of topic"
    )
