"""Inputs that the contract of record sources is tested on, each behind the same few calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.ports import RecordSource
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.source import FileSource, KafkaSource, MemorySource
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.files.source import FileRecordSource
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.memory import Broker, MemoryRecordSource

RECORDS = RecordSpec(time=TimeSpec(field="ts", format="ms"), series=("series",), values=("value",))
TIME_MS = 1_700_000_000_000


def payload(value: float) -> bytes:
    """Return a record that carries a value."""
    return f'{{"ts":{TIME_MS},"series":"pump","value":{value!r}}}'.encode()


class RecordLog(Protocol):
    """An input with partitions that a test can fill."""

    def create(self, partitions: int) -> None:
        """Make the input, empty."""
        ...

    def recreate(self) -> None:
        """Replace the input by another one of the same name."""
        ...

    def append(self, partition: int, values: Sequence[float]) -> None:
        """Add one record for each value."""
        ...

    def source(self, batch_records: int = 10_000) -> RecordSource:
        """Return the code under test, reading this input."""
        ...


class MemoryRecordLog:
    """A topic of the in-memory broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._partitions = 0

    def create(self, partitions: int) -> None:
        """Make the topic."""
        self._partitions = partitions
        self._broker.create_topic("records", partitions)

    def recreate(self) -> None:
        """Delete the topic and make it again."""
        self._broker.delete_topic("records")
        self.create(self._partitions)

    def append(self, partition: int, values: Sequence[float]) -> None:
        """Append to a partition."""
        for value in values:
            self._broker.append("records", payload(value), partition=partition)

    def source(self, batch_records: int = 10_000) -> RecordSource:
        """Return a source of the topic."""
        spec = MemorySource(kind="memory", topic="records", batch_records=batch_records)
        return MemoryRecordSource(spec, json_decoder(RECORDS, "portable"))


class KafkaRecordLog:
    """A topic of a Kafka cluster, real or mock."""

    def __init__(self, topics: KafkaTopics, topic: str, reader: Literal["fast", "portable"] = "fast") -> None:
        self._topics = topics
        self._topic = topic
        self._reader: Literal["fast", "portable"] = reader
        self._partitions = 0

    def create(self, partitions: int) -> None:
        """Make the topic."""
        self._partitions = partitions
        self._topics.create(self._topic, partitions)

    def recreate(self) -> None:
        """Delete the topic and make it again."""
        self._topics.delete(self._topic)
        self.create(self._partitions)

    def append(self, partition: int, values: Sequence[float]) -> None:
        """Append to a partition."""
        self._topics.append(self._topic, partition, map(payload, values))

    def source(self, batch_records: int = 10_000) -> RecordSource:
        """Return a source of the topic."""
        spec = KafkaSource(
            kind="kafka",
            bootstrap=self._topics.bootstrap,
            topic=self._topic,
            batch_records=batch_records,
            timeout_s=10,
            reader=self._reader,
        )
        return KafkaRecordSource(spec, json_decoder(RECORDS, "portable"))


class FileRecordLog:
    """A folder of JSON lines files that grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partitions = 0

    def create(self, partitions: int) -> None:
        """Make empty files."""
        self._partitions = partitions
        for partition in range(partitions):
            self._path(partition).touch()

    def recreate(self) -> None:
        """Remove the files and make them again."""
        for partition in range(self._partitions):
            self._path(partition).unlink()
        self.create(self._partitions)

    def append(self, partition: int, values: Sequence[float]) -> None:
        """Append lines to a file."""
        with self._path(partition).open("ab") as file:
            file.writelines(payload(value) + b"\n" for value in values)

    def source(self, batch_records: int = 10_000) -> RecordSource:
        """Return a source that follows the files."""
        path = f"{self._folder}/records-*.jsonl"
        spec = FileSource(kind="files", path=path, follow=True, decoder="portable", batch_records=batch_records)
        return FileRecordSource(spec, RECORDS)

    def _path(self, partition: int) -> Path:
        return self._folder / f"records-{partition}.jsonl"
