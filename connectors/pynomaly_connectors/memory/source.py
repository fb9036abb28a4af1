"""A topic of an in-memory broker as a record source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import MemorySource
from pynomaly.domain.error import UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.log_position import LogPosition
from pynomaly_connectors.memory.broker import Broker, StoredRecord, broker


class MemoryRecordSource:
    """All partitions of a topic of an in-memory broker, read from the first record that it holds.

    Parameters
    ----------
    spec
        The topic and the broker's name.
    decoder
        Makes columns of the payloads.
    """

    def __init__(self, spec: MemorySource, decoder: Decoder) -> None:
        self._spec = spec
        self._decoder = decoder
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

    def open(self, partition: str, position: bytes | None, *, bounded: bool) -> PartitionReader:
        """Open a partition after ``position``, or at the first record without one."""
        for stream in self._broker.streams(self._spec.topic):
            if partition == f"{stream.name}:{stream.partition}":
                log = self._broker.log(stream)
                offset = log.first_offset(position, "earliest")
                end = log.high if bounded else None
                return MemoryPartitionReader(self._broker, self._decoder, self._spec.batch_records, stream, offset, end)
        raise UnavailableError(f"partition {partition} must be one of {self.partitions()}")


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

    def poll(self) -> RecordBatch | None:
        """Return the next records in order, or None if there are none right now.

        Raises
        ------
        UnavailableError
            When the topic was deleted, or retention has overtaken the reader.
        """
        limit = self._batch_records if self._end is None else min(self._batch_records, self._end - self._next)
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
    return RawBatch.of([record.value for record in records], offset, keys, lambda row: records[row].headers)
