"""One partition of a topic as a flow reads it: decoded, up to an end, and past what retention has deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pynomaly.domain.error import TransientError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, NotYetDecodableError, RawBatch
from pynomaly_connectors.kafka.feed import Feed, OffsetOutOfRangeError
from pynomaly_connectors.kafka.loss_forecast import LossForecast, Standing
from pynomaly_connectors.kafka.lost_records import LostRecords
from pynomaly_connectors.kafka.trouble import Clock
from pynomaly_connectors.log_position import Log, LogPosition


@dataclass(frozen=True, slots=True)
class OpenPartition:
    """What a reader is made of.

    Parameters
    ----------
    stream
        Topic, partition and topic id.
    feed
        To which the partition was added at ``first``.
    decoder
        Makes columns of the payloads.
    lost
        Decides about records that are gone.
    release
        Called once, when the partition is read no more.
    first
        Offset of the first record.
    end
        Offset behind the last one of a bounded read; None: there is no last one.
    skipped
        Offsets before ``first`` that were gone at open.
    clock
        Monotonic seconds.
    """

    stream: Stream
    feed: Feed
    decoder: Decoder
    lost: LostRecords
    release: Callable[[], None]
    first: int
    end: int | None = None
    skipped: int = 0
    clock: Clock = time.monotonic


class KafkaPartitionReader:
    """One open partition; made by `KafkaRecordSource.open`."""

    def __init__(self, opened: OpenPartition) -> None:
        self._feed = opened.feed
        self._decoder = opened.decoder
        self._stream = opened.stream
        self._next = opened.first
        self._end = opened.end
        self._lost = opened.lost
        self._skipped = opened.skipped
        self._release: Callable[[], None] | None = opened.release
        self._undecoded: RawBatch | None = None
        self._forecast = LossForecast(opened.stream, opened.clock)
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
