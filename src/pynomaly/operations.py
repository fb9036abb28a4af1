"""What the commands beside a running flow work on: its alerts, dead letters, topics and schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_never

from pynomaly.application.dead_letter import DeadLetterStore
from pynomaly.application.event_log import EventLog
from pynomaly.application.redrive import Target
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.sink import FileSink, KafkaSink, MemorySink, SinkSpec, TerminalSink
from pynomaly.application.spec.source import (
    DatasetSource,
    FileSource,
    KafkaConnection,
    KafkaSource,
    MemorySource,
    SourceSpec,
)
from pynomaly.application.topics import NeededTopic, Role
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.codecs.by_schema import INPUT_REGISTRY
from pynomaly_connectors.dead_letter_file import FileDeadLetters
from pynomaly_connectors.files.event_file import EventFile
from pynomaly_connectors.kafka.dead_letters import KafkaDeadLetters, KafkaRecordWriter
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.kafka.topic_admin import KafkaTopicAdmin
from pynomaly_connectors.logged_events import LoggedEvents, Undecoded
from pynomaly_connectors.memory.broker import broker
from pynomaly_connectors.memory.dead_letters import MemoryDeadLetters, MemoryRecordWriter
from pynomaly_connectors.memory.sink import MemoryMessageSink
from pynomaly_connectors.memory.source import MemoryRecordSource
from pynomaly_connectors.memory.topic_admin import MemoryTopicAdmin
from pynomaly_connectors.registry.client import Registry


def event_log(spec: SinkSpec) -> EventLog:
    """Return an output as something to be read back.

    Raises
    ------
    ConfigError
        When it is the terminal, which keeps nothing.
    """
    match spec:
        case KafkaSink():
            # Every alert becomes an object: there is nothing to be won by reading columns.
            source = KafkaSource(kind="kafka", topic=spec.topic, reader="portable", **_connection(spec))
            return LoggedEvents(KafkaRecordSource(source, Undecoded()), KafkaMessageSink(spec).where)
        case MemorySink():
            memory = MemorySource(kind="memory", topic=spec.topic, broker=spec.broker)
            return LoggedEvents(MemoryRecordSource(memory, Undecoded()), MemoryMessageSink(spec).where)
        case FileSink():
            return EventFile(Path(spec.path))
        case TerminalSink():
            raise ConfigError(Problem("output.alerts", "must be a topic or a file to be read back, was the terminal"))
        case _:
            assert_never(spec)


def dead_letters_of(spec: FlowSpec) -> DeadLetterStore:
    """Return the dead letters of a flow, for reading.

    Raises
    ------
    ConfigError
        When the flow keeps none that can be read.
    """
    match spec.output.dead_letters:
        case KafkaSink() as sink:
            return KafkaDeadLetters(sink)
        case MemorySink() as sink:
            return MemoryDeadLetters(sink)
        case FileSink() as sink:
            return FileDeadLetters(Path(sink.path))
        case None | TerminalSink():
            rule = "must go to a topic or a file: without them nothing is kept of rejected records"
            raise ConfigError(Problem("output.dead_letters", rule))


def redrive_target_of(spec: FlowSpec, topic: str | None = None) -> Target:
    """Return where records go that are produced again: the input, or another topic of its cluster.

    Raises
    ------
    ConfigError
        When the input is no topic.
    PynomalyError
        When there is no such topic, or its cluster does not answer.
    """
    source = spec.source
    match source:
        case KafkaSource():
            name = topic or source.topic
            sink = KafkaSink(kind="kafka", topic=name, **_connection(source))
            # Records that are copied by series have been rejected in a partition that is not the input's.
            keeps_partition = name == source.topic and source.by_series is None
            return Target(name, KafkaRecordWriter(sink), keeps_partition=keeps_partition)
        case MemorySource():
            name = topic or source.topic
            return Target(name, MemoryRecordWriter(broker(source.broker), name), keeps_partition=name == source.topic)
        case FileSource() | DatasetSource():
            rule = f"must be kafka or memory, or there is nothing to produce records to again, was {source.kind!r}"
            raise ConfigError(Problem("source.kind", rule))


def _connection(spec: KafkaConnection) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in KafkaConnection.model_fields}


def input_registry_of(spec: FlowSpec) -> Registry | None:
    """Return the registry that tells how to read a flow's records; None if it needs none.

    Raises
    ------
    ConfigError
        When the packages that talk to it are not installed.
    """
    source = spec.source
    if not isinstance(source, KafkaSource) or source.schema_registry is None:
        return None
    return Registry(source.schema_registry, INPUT_REGISTRY)


def needed_topics_of(spec: FlowSpec, *, with_input: bool) -> list[NeededTopic]:
    """Return the topics that a flow names, each once, in the order in which records pass them."""
    output = spec.output
    named: list[tuple[Role, SourceSpec | SinkSpec | None]] = [
        ("input", spec.source if with_input else None),
        ("alerts", output.alerts),
        ("dead_letters", output.dead_letters),
        ("late", output.late),
    ]
    needed = [topic for role, place in named if (topic := _needed_topic(role, place)) is not None]
    source = spec.source
    if isinstance(source, KafkaSource) and source.by_series is not None:
        needed.insert(int(with_input), NeededTopic("by_series", source.by_series, KafkaTopicAdmin(source)))
    return needed


def _needed_topic(role: Role, place: SourceSpec | SinkSpec | None) -> NeededTopic | None:
    match place:
        case KafkaSource() | KafkaSink():
            return NeededTopic(role, place.topic, KafkaTopicAdmin(place))
        case MemorySource() | MemorySink():
            return NeededTopic(role, place.topic, MemoryTopicAdmin(place.broker))
        case _:
            return None
