"""Events in an append-only log (a topic of Kafka or of the in-memory broker), read back by the readers of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pynomaly.application.event_log import EventPartition, Start, StoredEvent
from pynomaly.application.ports import PartitionReader, RecordSource
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.log_position import LogPosition


class RewindableSource(RecordSource, Protocol):
    """A source whose positions are `LogPosition`s, and that can be opened before one."""

    def open_before(
        self, partition: str, position: bytes | None, records: int, *, start: Start, bounded: bool
    ) -> tuple[PartitionReader, int]:
        """Open a partition up to ``records`` offsets before ``position``, or before ``start`` without one.

        Return the reader, and the offset that the position or the start stands for.
        """
        ...


class Undecoded:
    """The decoder for those who want the records as they arrived: `RecordBatch.raw` gives them."""

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Return one row without content for each record of ``raw``."""
        none = np.zeros(len(raw), np.int64)
        key = KeyColumn(np.zeros(0, np.uint8), none, none)
        return RecordBatch(
            stream, raw.offset, none, key, np.zeros((len(raw), 0)), np.zeros(len(raw), np.uint8), raw.record
        )


class LoggedEvents:
    """The events of a topic.

    Parameters
    ----------
    source
        Reads the topic, `Undecoded`.
    where
        What an operator calls it.
    """

    def __init__(self, source: RewindableSource, where: str) -> None:
        self._source = source
        self._where = where

    @property
    def where(self) -> str:
        """What an operator calls it."""
        return self._where

    def partitions(self) -> list[str]:
        """Name the partitions of the topic."""
        return self._source.partitions()

    def open(
        self, partition: str, position: bytes | None, *, start: Start, memory: int, bounded: bool
    ) -> EventPartition:
        """Open a partition; see the port.

        Raises
        ------
        UnavailableError
            When the topic no longer holds the position.
        StateError
            When the topic was deleted and created again.
        """
        reader, offset = self._source.open_before(partition, position, memory, start=start, bounded=bounded)
        return LoggedEventPartition(reader, offset)


class LoggedEventPartition:
    """One open partition; made by `LoggedEvents.open`."""

    def __init__(self, reader: PartitionReader, begins_at: int) -> None:
        self._reader = reader
        self._begins_at = begins_at

    @property
    def begins_at(self) -> int:
        """Offset of the first new event."""
        return self._begins_at

    @property
    def begins_with(self) -> bytes:
        """Position of the first new event."""
        return self._position(self._begins_at)

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to its end."""
        return self._reader.at_end

    def poll(self) -> Sequence[StoredEvent]:
        """Return what one read brings."""
        batch = self._reader.poll()
        if batch is None:
            return []
        return [
            StoredEvent(batch.raw(row), offset, self._position(offset + 1))
            for row, offset in enumerate(batch.offset.tolist())
        ]

    def close(self) -> None:
        """Close the reader; may be called twice."""
        self._reader.close()

    def _position(self, offset: int) -> bytes:
        return LogPosition(offset, self._reader.stream.incarnation).to_bytes()
