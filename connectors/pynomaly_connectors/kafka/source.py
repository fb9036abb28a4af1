"""A topic as a record source: one stream for each partition, resumed from our own positions."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock

from pynomaly.application.event_log import Start
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.application.spec.start import Place, TopicEnd
from pynomaly.domain.error import ConfigError, Problem, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.payload import Decoder
from pynomaly_connectors.codecs.tombstones import with_tombstones
from pynomaly_connectors.kafka.cluster import Topic, find_topic
from pynomaly_connectors.kafka.feed import Feed
from pynomaly_connectors.kafka.gap_ledger import GapLedger
from pynomaly_connectors.kafka.lost_records import LostRecords
from pynomaly_connectors.kafka.native.batch import MessageKernels
from pynomaly_connectors.kafka.native.feed import NativeFeed
from pynomaly_connectors.kafka.native.library import LibraryMissingError
from pynomaly_connectors.kafka.offset_time import offsets_at
from pynomaly_connectors.kafka.partition_reader import KafkaPartitionReader, OpenPartition
from pynomaly_connectors.kafka.place import Places
from pynomaly_connectors.kafka.portable_feed import PortableFeed
from pynomaly_connectors.kafka.start_ledger import StartLedger, Starts
from pynomaly_connectors.kafka.trouble import Clock
from pynomaly_connectors.log_position import Log, saved_offset
from pynomaly_connectors.sealed_file import LedgerFolder

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
        Folder of the flow's state that keeps where the flow began and what it has skipped; without one a partition that
        is opened again without position begins where `start` lies then.
    until
        Where a bounded read ends, at the latest at the end that the topic has at opening.
    start_key
        What an operator has named the beginning by.
    """

    def __init__(
        self,
        spec: KafkaSource,
        decoder: Decoder,
        clock: Clock = time.monotonic,
        kernels: MessageKernels | None = None,
        *,
        ledger: LedgerFolder | None = None,
        until: Place | None = None,
        start_key: str = "source.start",
    ) -> None:
        self._spec = spec
        self._decoder = decoder
        self._clock = clock
        self._kernels = MessageKernels() if kernels is None else kernels
        self._ledger = None if ledger is None else StartLedger(ledger.path, ledger.seals)
        self._lost = LostRecords(spec, None if ledger is None else GapLedger(ledger.path, ledger.seals))
        self._until = until
        self._start_key = start_key
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
        AccessError
            When the cluster refuses us, or the right to read the topic or to use the group is missing.
        UnavailableError
            Within the connection's bound, when the topic is missing or the cluster silent.
        """
        self._topic = find_topic(self._spec, self._spec.topic, self._clock, group=self._spec.group)
        return [f"{self._spec.topic}:{number}" for number in self._topic.partitions]

    def between(self, begin: Place | None, end: Place | None) -> KafkaRecordSource:
        """Return the same topic from one place to another, for bounded reads; a hole in it is an error.

        A record belongs to it from the one at ``begin`` on (None: the first), up to, but without, the one at ``end``
        (None: whatever there is).
        """
        range_of = {"start": "earliest" if begin is None else begin, "out_of_range": "fail"}
        spec = self._spec.model_copy(update=range_of)
        return KafkaRecordSource(spec, self._decoder, self._clock, self._kernels, until=end, start_key="--from")

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        """Open a partition after ``position``, or at `start` when it is None; raises as `open_before`."""
        return self.open_before(partition, position, 0, bounded=bounded)[0]

    def open_before(
        self, partition: str, position: bytes | None, records: int, *, start: Start | None = None, bounded: bool
    ) -> tuple[PartitionReader, int]:
        """Open a partition up to ``records`` offsets before ``position``, as far as the log still holds them.

        ``start`` stands for that of the flow where there is no position. Return the reader, and the offset of the
        position.

        Raises
        ------
        ConfigError
            When `start` is no place of the topic.
        UnavailableError
            When the cluster is silent, the log no longer holds the position, or a ledger cannot be written.
        StateError
            When the topic was deleted and created again since.
        """
        with self._lock:
            topic = self._topic or find_topic(self._spec, self._spec.topic, self._clock)
            self._topic = topic
            stream = Stream(topic.name, _number(partition, topic), topic.id)
            feed = self._feed or self._connect(topic, bounded=bounded)
            self._feed = feed
            opening = _Opening(position, self._spec.start if start is None else start, records, bounded)
            try:
                opened = self._reader(feed, topic, stream, opening)
                self._open.add(stream.partition)
            finally:
                self._close_unused()
        return opened

    def _reader(self, feed: Feed, topic: Topic, stream: Stream, opening: _Opening) -> tuple[KafkaPartitionReader, int]:
        """Return a reader, and the offset of the position; the reader may begin before that."""
        places = Places(topic, feed.watermarks, partial(self._look_up, topic), self._start_key)
        wanted = self._wanted(places, stream, opening)
        log = Log(stream, *feed.watermarks(stream.partition))
        if wanted is None:
            wanted = log.low
        self._lost.recall(stream)
        offset = wanted if log.holds(wanted) else self._lost.pass_over(log, wanted)
        end = log.high if opening.bounded else None
        if end is not None and self._until is not None:
            end = places.end(self._until, stream.partition, end)
        first = max(log.low, offset - opening.records_before)
        feed.add(stream.partition, first)
        opened = OpenPartition(
            stream=stream,
            feed=feed,
            decoder=with_tombstones(self._decoder, self._spec.tombstones),
            lost=self._lost,
            release=partial(self._release, stream.partition),
            first=first,
            end=end,
            skipped=offset - wanted,
            clock=self._clock,
        )
        return KafkaPartitionReader(opened), offset

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

    def _wanted(self, places: Places, stream: Stream, opening: _Opening) -> int | None:
        """Return the offset that a partition is to go on from, held or not; None: its first one."""
        position, start, topic = opening.position, opening.start, places.topic
        if position is None and start != "earliest":
            # A partition that the ledger does not name came later; nobody asked to skip any of it.
            partitions = topic.partitions if self._ledger is not None else (stream.partition,)
            strict = self._spec.out_of_range == "fail"

            def now() -> Starts:
                return Starts(topic.id, places.starts(start, partitions, strict=strict))

            starts = now() if self._ledger is None else self._ledger.starts(topic.name, now)
            position = starts.position(stream.partition)
        return None if position is None else saved_offset(stream, position)

    def _look_up(self, topic: Topic, partitions: Sequence[int], moment: datetime) -> dict[int, int | None]:
        return offsets_at(self._spec, topic.name, partitions, moment, self._clock)

    def _release(self, partition: int) -> None:
        with self._lock:
            self._open.discard(partition)
            self._close_unused()

    def _close_unused(self) -> None:
        """Close the connection with its last reader."""
        if not self._open and self._feed is not None:
            self._feed.close()
            self._feed = None


@dataclass(frozen=True, slots=True)
class _Opening:
    """Where a partition is opened: after a position, else at a start, and as many records before."""

    position: bytes | None
    start: TopicEnd | Place
    records_before: int
    bounded: bool


def _number(partition: str, topic: Topic) -> int:
    for number in topic.partitions:
        if partition == f"{topic.name}:{number}":
            return number
    raise UnavailableError(
        f"partition {partition} must be one of topic {topic.name}, which has partitions {list(topic.partitions)}; "
        "start over with --reset-state after a change of topic"
    )
