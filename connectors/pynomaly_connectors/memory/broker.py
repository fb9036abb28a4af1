"""A broker inside the process: topics with partitions, keys, headers, offsets and retention, without a network.

For tests, demonstrations and embedding. It keeps to Kafka's rules: append-only partitions, records of one key
in one partition, offsets that stay valid until retention takes them, topics that must exist before reading.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from threading import Lock

from pynomaly.domain.error import MissingInputError, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_connectors.codecs.payload import Headers
from pynomaly_connectors.log_position import Log

RETAINED_RECORDS = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it lies in a partition; without a timestamp that is negative."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int = -1


class _Partition:
    """Records ``low`` to ``high``; expired ones leave in lots, so that appending stays O(1)."""

    def __init__(self, retained: int) -> None:
        self._retained = retained
        self._records: list[StoredRecord] = []
        self.high = 0

    @property
    def low(self) -> int:
        return self.high - min(len(self._records), self._retained)

    def append(self, value: bytes | None, key: bytes | None, headers: Headers, timestamp_ms: int) -> int:
        offset = self.high
        self._records.append(StoredRecord(offset, value, key, headers, timestamp_ms))
        self.high += 1
        if len(self._records) >= 2 * self._retained:
            del self._records[: -self._retained]
        return offset

    def slice(self, offset: int, limit: int) -> list[StoredRecord]:
        first = offset - self.high + len(self._records)
        return self._records[first : first + limit]


@dataclass(slots=True)
class _Topic:
    incarnation: str
    partitions: tuple[_Partition, ...]
    keyless: int = 0


@dataclass(slots=True)
class Broker:
    """Topics of one name space; every method is safe from any thread and none blocks.

    Parameters
    ----------
    retained_records
        Newest records that each partition keeps; older ones go, as by Kafka's retention.
    """

    retained_records: int = RETAINED_RECORDS
    _topics: dict[str, _Topic] = field(default_factory=dict[str, _Topic], init=False)
    _created: int = field(default=0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic; one that exists stays as it is."""
        with self._lock:
            self._ensure(topic, partitions)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its records."""
        with self._lock:
            self._topics.pop(topic, None)

    def append(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        *,
        timestamp_ms: int = -1,
    ) -> int:
        """Append a record and return its offset.

        A topic that does not exist comes into being with one partition. Without ``partition`` the key decides;
        records without key go round. A record has the timestamp that it is given [ms since 1970 UTC], else none: this
        broker has no clock.
        """
        with self._lock:
            found = self._ensure(topic, 1)
            chosen = found.partitions[_partition_of(found, key) if partition is None else partition]
            return chosen.append(value, key, headers, timestamp_ms)

    def fetch(self, stream: Stream, offset: int, limit: int) -> list[StoredRecord]:
        """Return up to ``limit`` records from an offset on.

        Raises
        ------
        UnavailableError
            When the topic is gone, is another one of the same name, or no longer holds the offset.
        """
        with self._lock:
            partition = self._partition(stream)
            if not partition.low <= offset <= partition.high:
                raise Log(stream, partition.low, partition.high).out_of_range(offset)
            return partition.slice(offset, limit)

    def offset_at(self, stream: Stream, timestamp_ms: int) -> int | None:
        """Return the offset of the first record with this timestamp or a later one; None if there is none."""
        with self._lock:
            partition = self._partition(stream)
            records = partition.slice(partition.low, partition.high - partition.low)
        return next((record.offset for record in records if record.timestamp_ms >= timestamp_ms), None)

    def streams(self, topic: str) -> list[Stream]:
        """Return the partitions of a topic.

        Raises
        ------
        MissingInputError
            When there is no such topic.
        """
        with self._lock:
            found = self._topics.get(topic)
            if found is None:
                raise MissingInputError(
                    f"topic {topic} must exist in the in-memory broker, was missing: create it first"
                )
            return [Stream(topic, number, found.incarnation) for number in range(len(found.partitions))]

    def log(self, stream: Stream) -> Log:
        """Return which offsets a partition holds now."""
        with self._lock:
            partition = self._partition(stream)
            return Log(stream, partition.low, partition.high)

    def records(self, topic: str) -> list[StoredRecord]:
        """Return everything a topic holds, partition by partition."""
        logs = [self.log(stream) for stream in self.streams(topic)]
        return [record for log in logs for record in self.fetch(log.stream, log.low, log.high - log.low)]

    def _ensure(self, topic: str, partitions: int) -> _Topic:
        if topic not in self._topics:
            # A number instead of Kafka's random id: it tells two topics apart and repeats from run to run.
            self._created += 1
            empty = tuple(_Partition(self.retained_records) for _ in range(partitions))
            self._topics[topic] = _Topic(str(self._created), empty)
        return self._topics[topic]

    def _partition(self, stream: Stream) -> _Partition:
        found = self._topics.get(stream.name)
        if found is None or found.incarnation != stream.incarnation:
            raise UnavailableError(f"{stream} must stay while it is read, was deleted")
        return found.partitions[stream.partition]


def _partition_of(topic: _Topic, key: bytes | None) -> int:
    if key is not None:
        return zlib.crc32(key) % len(topic.partitions)
    topic.keyless += 1
    return (topic.keyless - 1) % len(topic.partitions)


_brokers: dict[str, Broker] = {}
_brokers_lock = Lock()


def broker(name: str = "default") -> Broker:
    """Return this process's broker of a name; it comes into being when first asked for."""
    with _brokers_lock:
        return _brokers.setdefault(name, Broker())


def reset_brokers() -> None:
    """Forget all brokers of this process with their records."""
    with _brokers_lock:
        _brokers.clear()
