"""A topic of an in-memory broker as a record source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import numpy as np

from pynomaly.application.event_log import Start
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import MemorySource
from pynomaly.application.spec.start import Place
from pynomaly.domain.error import UnavailableError
from pynomaly.domain.record import Int64Column, RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.codecs.tombstones import with_tombstones
from pynomaly_connectors.log_position import LogPosition
from pynomaly_connectors.memory.broker import Broker, StoredRecord, broker
from pynomaly_connectors.message_time import timestamp_ms


class MemoryRecordSource:
    """All partitions of a topic of an in-memory broker, read from the first record that it holds.

    Parameters
    ----------
    spec
        The topic and the broker's name.
    decoder
        Makes columns of the payloads.
    begin, until
        From where to where bounded reads go; by default from the first record to the end.
    """

    def __init__(
        self, spec: MemorySource, decoder: Decoder, *, begin: Place | None = None, until: Place | None = None
    ) -> None:
        self._spec = spec
        self._decoder = decoder
        self._begin, self._until = begin, until
        self._broker = broker(spec.broker)

    @property
    def partitions_may_go(self) -> bool:
        """A topic loses no partition."""
        return False

    @property
    def partitions_may_come(self) -> bool:
        """A topic of this broker keeps its number of partitions."""
        return False

    def partitions(self) -> list[str]:
        """Name the partitions that the topic has now."""
        return [f"{stream.name}:{stream.partition}" for stream in self._broker.streams(self._spec.topic)]

    def between(self, begin: Place | None, end: Place | None) -> MemoryRecordSource:
        """Return the same topic from one place to another, for bounded reads."""
        return MemoryRecordSource(self._spec, self._decoder, begin=begin, until=end)

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        """Open a partition after ``position``, or at the first record without one."""
        return self.open_before(partition, position, 0, bounded=bounded)[0]

    def open_before(
        self, partition: str, position: bytes | None, records: int, *, start: Start = "earliest", bounded: bool
    ) -> tuple[PartitionReader, int]:
        """Open a partition up to ``records`` offsets before ``position`` or ``start``; return that offset as well."""
        for stream in self._broker.streams(self._spec.topic):
            if partition == f"{stream.name}:{stream.partition}":
                log = self._broker.log(stream)
                begin = self._begin if start == "earliest" else None
                at_start = self._offset(begin, stream, log.first_offset(None, start))
                offset = at_start if position is None else log.first_offset(position, "earliest")
                if not log.holds(offset):
                    raise log.out_of_range(offset)
                first = max(log.low, offset - records)
                end = min(log.high, self._offset(self._until, stream, log.high)) if bounded else None
                decoder = with_tombstones(self._decoder, self._spec.tombstones)
                limit = self._spec.batch_records
                return MemoryPartitionReader(self._broker, decoder, limit, stream, first, end), offset
        raise UnavailableError(f"partition {partition} must be one of {self.partitions()}")

    def _offset(self, place: Place | None, stream: Stream, otherwise: int) -> int:
        match place:
            case None:
                found = None
            case int():
                found = place
            case dict():
                found = place.get(stream.partition)
            case datetime():
                found = self._broker.offset_at(stream, timestamp_ms(place))
            case _:
                assert_never(place)
        return otherwise if found is None else found


class MemoryPartitionReader:
    """One open partition; made by `MemoryRecordSource.open`."""

    def __init__(
        self, broker: Broker, decoder: Decoder, batch_records: int, stream: Stream, offset: int, end: int | None
    ) -> None:
        self._broker = broker
        self._decoder = decoder
        self._batch_records = batch_records
        self._stream = stream
        self._next = offset
        self._end = end

    @property
    def stream(self) -> Stream:
        """Topic, partition and the topic's number."""
        return self._stream

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to the end that the partition had at open."""
        return self._end is not None and self._next >= self._end

    @property
    def lag(self) -> int:
        """Records between the next one and the newest."""
        return self._broker.log(self._stream).high - self._next

    @property
    def skipped(self) -> int:
        """None: a reader that retention has overtaken stops."""
        return 0

    @property
    def outage(self) -> None:
        """None: memory always answers."""
        return

    def poll(self) -> RecordBatch | None:
        """Return the next records in order, or None if there are none right now.

        Raises
        ------
        UnavailableError
            When the topic was deleted, or retention has overtaken the reader.
        """
        limit = self._batch_records if self._end is None else min(self._batch_records, self._end - self._next)
        if limit <= 0:
            return None
        records = self._broker.fetch(self._stream, self._next, limit)
        if not records:
            return None
        self._next = records[-1].offset + 1
        return self._decoder.decode(self._stream, _raw_batch(records))

    def position(self) -> bytes:
        """Return the token to go on from."""
        return LogPosition(self._next, self._stream.incarnation).to_bytes()

    def confirm(self, position: bytes) -> None:
        """Do nothing: nobody watches the groups of this broker."""

    def close(self) -> None:
        """Do nothing: a reader holds nothing."""


def _raw_batch(records: Sequence[StoredRecord]) -> RawBatch:
    offset = np.fromiter((record.offset for record in records), np.int64, len(records))
    keys = [record.key for record in records]

    def timestamps() -> Int64Column:
        return np.fromiter((record.timestamp_ms for record in records), np.int64, len(records))

    values = [record.value for record in records]
    return RawBatch.of(values, offset, keys, lambda row: records[row].headers, timestamps)
