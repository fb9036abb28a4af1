"""A topic as a record source: one stream for each partition, resumed from our own positions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock

import numpy as np

from pynomaly.application.event_log import Start
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.application.spec.start import Place, TopicEnd
from pynomaly.domain.error import ConfigError, Problem, TransientError, UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, NotYetDecodableError, RawBatch
from pynomaly_connectors.codecs.tombstones import with_tombstones
from pynomaly_connectors.kafka.cluster import Topic, find_topic
from pynomaly_connectors.kafka.feed import Feed, OffsetOutOfRangeError
from pynomaly_connectors.kafka.gap_ledger import GapLedger
from pynomaly_connectors.kafka.loss_forecast import LossForecast, Standing
from pynomaly_connectors.kafka.lost_records import LostRecords
from pynomaly_connectors.kafka.native.batch import MessageKernels
from pynomaly_connectors.kafka.native.feed import NativeFeed
from pynomaly_connectors.kafka.native.library import LibraryMissingError
from pynomaly_connectors.kafka.offset_time import offsets_at
from pynomaly_connectors.kafka.place import Places
from pynomaly_connectors.kafka.portable_feed import PortableFeed
from pynomaly_connectors.kafka.start_ledger import StartLedger, Starts
from pynomaly_connectors.kafka.trouble import Clock
from pynomaly_connectors.log_position import Log, LogPosition, saved_offset
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
        release = partial(self._release, stream.partition)
        decoder = with_tombstones(self._decoder, self._spec.tombstones)
        skipped = offset - wanted
        lost, clock = self._lost, self._clock
        return KafkaPartitionReader(feed, decoder, stream, first, end, lost, release, skipped, clock), offset

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


class KafkaPartitionReader:
    """One open partition; made by `KafkaRecordSource.open`."""

    def __init__(
        self,
        feed: Feed,
        decoder: Decoder,
        stream: Stream,
        offset: int,
        end: int | None,
        lost: LostRecords,
        release: Callable[[], None],
        skipped: int = 0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._feed = feed
        self._decoder = decoder
        self._stream = stream
        self._next = offset
        self._end = end
        self._lost = lost
        self._skipped = skipped
        self._release: Callable[[], None] | None = release
        self._undecoded: RawBatch | None = None
        self._forecast = LossForecast(stream, clock)
        self._newest_ms: int | None = None

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
        known = self._feed.known_watermarks(self._stream.partition) if self._release is not None else None
        return None if known is None else max(0, known[1] - self._next)

    @property
    def lost_in_s(self) -> float:
        """Time until retention will delete records before they are read, at the present pace [s]."""
        return self._forecast.lost_in_s

    @property
    def skipped(self) -> int:
        """Offsets that retention has deleted before they were read, and that the flow has passed over since open."""
        return self._skipped

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering, in one sentence; None while they do."""
        return self._feed.outage if self._release is not None else None

    def poll(self) -> RecordBatch | None:
        """Return the next records in order, or None if there are none right now.

        Raises
        ------
        UnavailableError
            When retention has overtaken a flow that is to stop then, or the topic is gone or closed to us.
        StateError
            When the topic was deleted and created again, or an unbounded read finds that it was given more partitions.
        InputGrownError
            When it was, and the flow reads new partitions.
        TransientError
            When the brokers have been silent for longer than an outage may last, or the schema of a record cannot be
            had.
        """
        if self._release is None or self.at_end:
            return None
        raw = self._take() if self._undecoded is None else self._undecoded
        if self._forecast.is_due:
            self._foresee(raw)
        if raw is None:
            self._next = max(self._next, self._feed.end(self._stream.partition))
            batch = None
        else:
            batch = self._decoded(raw)
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
            self._pass_over(max(self._next, gone.offset))
            return None

    def _foresee(self, raw: RawBatch | None) -> None:
        """Look how far retention is behind the next record."""
        if raw is not None:
            newest_ms = int(raw.timestamp_ms()[-1])
            self._newest_ms = newest_ms if newest_ms >= 0 else None
        known = self._feed.known_watermarks(self._stream.partition)
        if known is not None:
            low, high = known
            self._forecast.observe(Standing(low, high, self._next, self._newest_ms), self._feed.retention())

    def _pass_over(self, offset: int) -> None:
        """Go on where the flow's policy says, instead of at an offset that the broker does not have."""
        partition = self._stream.partition
        self._lost.check_topic(self._stream)
        log = Log(self._stream, *self._feed.watermarks(partition))
        if log.holds(offset):
            raise TransientError(
                f"{self._stream} must give offset {offset}, which it holds ({log.low} to {log.high}), refused it; "
                "a restart resumes where the last checkpoint stands"
            )
        target = self._lost.pass_over(log, offset)
        self._feed.remove(partition)
        self._feed.add(partition, target)
        self._skipped += target - offset
        self._next = target

    def _decoded(self, raw: RawBatch) -> RecordBatch | None:
        """Decode a batch, or keep it for the next poll while its schemas are looked for."""
        try:
            batch = self._decoder.decode(self._stream, raw)
        except NotYetDecodableError:
            self._undecoded = raw
            return None
        self._undecoded = None
        return self._within(batch)

    def _within(self, batch: RecordBatch) -> RecordBatch | None:
        """Cut off what came after the end of a bounded read, and leave it to the next one."""
        if self._end is not None and batch.offset[-1] >= self._end:
            self._next = self._end
            batch = batch.slice(0, int(np.searchsorted(batch.offset, self._end)))
        else:
            self._next = int(batch.offset[-1]) + 1
        return batch if len(batch) > 0 else None


def _number(partition: str, topic: Topic) -> int:
    for number in topic.partitions:
        if partition == f"{topic.name}:{number}":
            return number
    raise UnavailableError(
        f"partition {partition} must be one of topic {topic.name}, which has partitions {list(topic.partitions)}; "
        "start over with --reset-state after a change of topic"
    )
