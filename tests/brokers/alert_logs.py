"""Outputs that alerts are read back from, each behind the same few calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.event_log import EventLog
from pynomaly.application.ports import Message
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec
from pynomaly.domain.event import AnomalyDetected, PartContribution, event_id
from pynomaly.domain.outcome import Level
from pynomaly.domain.record import Stream
from pynomaly.operations import event_log
from pynomaly_connectors.codecs.cloudevents import encode, structured
from pynomaly_connectors.jsonl import JsonLinesSink
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.memory import Broker, MemoryMessageSink

TIME_NS = 1_700_000_000_000_000_000


def alert(number: int, series: str = "pump-1", level: Level = Level.WATCH) -> AnomalyDetected:
    """Return an alert; equal numbers give equal alerts."""
    stream = Stream("readings", number % 3)
    return AnomalyDetected(
        id=event_id("anomaly", "pumps", stream, number, series, level.label),
        flow="pumps",
        stream=stream,
        offset=number,
        series=series,
        time_ns=TIME_NS + number * 1_000_000_000,
        level=level,
        evidence=2.5 + number / 7,
        bar=2.3,
        values={"value": float(number)},
        expected={"value": None},
        parts=(PartContribution("ew_zscore", ("value",), 4.5, 3.25, 2.25),),
    )


def messages(numbers: Sequence[int], series: str = "pump-1") -> list[Message]:
    """Return alerts as a flow writes them."""
    return [encode(alert(number, series)) for number in numbers]


class AlertLog(Protocol):
    """An output that a test can fill."""

    @property
    def spec(self) -> SinkSpec:
        """The output as a flow names it."""
        ...

    def log(self) -> EventLog:
        """Return the code under test, reading this output."""
        ...

    def append(self, written: Sequence[Message]) -> None:
        """Write as a flow does."""
        ...


class MemoryAlertLog:
    """A topic of the in-memory broker."""

    def __init__(self, broker: Broker) -> None:
        broker.create_topic("alerts")
        self.spec = MemorySink(kind="memory", topic="alerts")

    def log(self) -> EventLog:
        """Return a reader of the topic."""
        return event_log(self.spec)

    def append(self, written: Sequence[Message]) -> None:
        """Append to the topic."""
        MemoryMessageSink(self.spec).open(None).write(written)


class FileAlertLog:
    """A file of structured CloudEvents."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path = path
        self.spec = FileSink(kind="file", path=str(path))

    def log(self) -> EventLog:
        """Return a reader of the file."""
        return event_log(self.spec)

    def append(self, written: Sequence[Message]) -> None:
        """Append lines."""
        writer = JsonLinesSink(self._path, structured).open(None)
        writer.write(written)
        writer.flush()
        writer.close()


class KafkaAlertLog:
    """A topic of a Kafka cluster, real or mock."""

    def __init__(self, topics: KafkaTopics, topic: str, partitions: int = 1) -> None:
        topics.create(topic, partitions)
        self.spec = KafkaSink(kind="kafka", bootstrap=topics.bootstrap, topic=topic, client={"linger.ms": 0})

    def log(self) -> EventLog:
        """Return a reader of the topic."""
        return event_log(self.spec)

    def append(self, written: Sequence[Message]) -> None:
        """Produce and wait."""
        writer = KafkaMessageSink(self.spec).open(None)
        writer.write(written)
        writer.flush()
        writer.close()
