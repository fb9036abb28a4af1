"""Dead letters in a topic of an in-memory broker, and its input topics to produce to again."""

from __future__ import annotations

from collections.abc import Iterator

from pynomaly.application.dead_letter import DeadLetter
from pynomaly.application.spec.sink import MemorySink
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.dead_letter import read_dead_letter
from pynomaly_connectors.memory.broker import Broker, broker


class MemoryDeadLetters:
    """A topic that `MemoryMessageSink` writes."""

    def __init__(self, spec: MemorySink) -> None:
        self._spec = spec

    @property
    def where(self) -> str:
        """Topic and broker."""
        return f"topic {self._spec.topic} of in-memory broker {self._spec.broker}"

    def letters(self) -> Iterator[DeadLetter | None]:
        """Yield the letters partition by partition; this broker keeps no times."""
        for record in broker(self._spec.broker).records(self._spec.topic):
            yield read_dead_letter(RawRecord(record.value, record.key, record.headers))


class MemoryRecordWriter:
    """Appends at once.

    Raises
    ------
    MissingInputError
        When there is no such topic.
    """

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._partitions = len(broker.streams(topic))

    def send(self, record: RawRecord, partition: int | None) -> None:
        """Append a record."""
        chosen = partition if partition is not None and partition < self._partitions else None
        self._broker.append(self._topic, record.value, record.key, record.headers, chosen)

    def flush(self) -> None:
        """Do nothing: an appended record is as durable as the process."""

    def close(self) -> None:
        """Do nothing: a writer holds nothing."""
