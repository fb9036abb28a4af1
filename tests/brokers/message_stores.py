"""Outputs that the contract of message sinks is tested on, each behind the same few calls."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.ports import MessageSink
from pynomaly.application.spec.sink import KafkaSink, MemorySink
from pynomaly_connectors.jsonl import JsonLinesSink
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.memory import Broker, MemoryMessageSink
from pynomaly_connectors.sealed_file import LedgerFolder


class MessageStore(Protocol):
    """An output that a test can read."""

    def sink(self) -> MessageSink:
        """Return the code under test, writing to this output."""
        ...

    def values(self) -> list[bytes]:
        """Return the values of all messages that the output holds."""
        ...


class MemoryMessageStore:
    """A topic of the in-memory broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        broker.create_topic("messages")

    def sink(self) -> MessageSink:
        """Return a sink of the topic."""
        return MemoryMessageSink(MemorySink(kind="memory", topic="messages"))

    def values(self) -> list[bytes]:
        """Return what the topic holds."""
        return [record.value or b"" for record in self._broker.records("messages")]


class KafkaMessageStore:
    """A topic of a Kafka cluster, real or mock."""

    def __init__(self, topics: KafkaTopics, topic: str) -> None:
        self._topics = topics
        self._topic = topic
        topics.create(topic)

    def sink(self) -> MessageSink:
        """Return a sink of the topic."""
        return KafkaMessageSink(KafkaSink(kind="kafka", bootstrap=self._topics.bootstrap, topic=self._topic))

    def values(self) -> list[bytes]:
        """Return what the topic holds."""
        return [message.value() or b"" for message in self._topics.read(self._topic)]


class FileMessageStore:
    """A file of JSON lines, with the ledger that a flow has."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "out" / "messages.jsonl"
        self._ledger = folder / "ledger"

    def sink(self) -> MessageSink:
        """Return a sink of the file."""
        return JsonLinesSink(self._path, ledger=LedgerFolder(self._ledger))

    def values(self) -> list[bytes]:
        """Return the lines of the file."""
        return self._path.read_bytes().splitlines()
