"""Where events go to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pynomaly.application.spec.registry import EventSchemas
from pynomaly.application.spec.section import KIND, Name, Seconds, Section
from pynomaly.application.spec.source import KafkaConnection


class KafkaSink(KafkaConnection):
    """A topic, written by an idempotent producer that waits for all in-sync replicas."""

    kind: Literal["kafka"]
    topic: Name
    """Topic to write."""
    key: Literal["series", "id"] = "series"
    """Key of the messages: `series` keeps those of a series in order, `id` lets a compacted topic keep one of each."""
    format: Literal["json", "avro", "protobuf"] = "json"
    """Encoding of the events' data; dead letters stay the bytes that came."""
    mode: Literal["binary", "structured"] = "binary"
    """Of CloudEvents: `binary` has the attributes in headers, `structured` (JSON only) in the value as well."""
    schema_registry: EventSchemas | None = None
    """Where the events' schemas go; for `avro` and `protobuf`."""
    delivery_timeout_s: Seconds = 300.0
    """How long a message may be retried before the flow stops [s]."""


class FileSink(Section):
    """A file of JSON lines; a restart cuts off what was not durable."""

    kind: Literal["file"]
    path: Name
    """Path, relative to the folder the program runs in; its folder is made."""


class TerminalSink(Section):
    """Lines on standard output."""

    kind: Literal["terminal"]


class MemorySink(Section):
    """A topic of the in-memory broker."""

    kind: Literal["memory"]
    topic: Name
    """Topic to write."""
    broker: Name = "default"
    """Which broker of this process."""


SinkSpec = Annotated[KafkaSink | FileSink | TerminalSink | MemorySink, Field(discriminator="kind"), KIND]
RowSinkSpec = Annotated[FileSink | MemorySink, Field(discriminator="kind"), KIND]


class OutputSpec(Section):
    """Outputs of a flow."""

    alerts: SinkSpec
    """Alerts and model events, as CloudEvents."""
    dead_letters: SinkSpec | None = None
    """Rejected records with their reason and raw bytes; none: they are only counted."""
    late: SinkSpec | None = None
    """Records that came when every window that should hold them had closed; none: they are only counted."""
    outcomes: RowSinkSpec | None = None
    """One line for each record that is not normal (or for every one, see `outcomes_of`)."""
    outcomes_of: Literal["not_normal", "all"] = "not_normal"
    """Which records the outcomes file lists."""
