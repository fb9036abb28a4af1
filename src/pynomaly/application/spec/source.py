"""Where records come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pynomaly.application.spec.section import KIND, BatchRecords, Name, Scalar, Seconds, Section


class KafkaConnection(Section):
    """How to reach a Kafka cluster."""

    bootstrap: Name
    """Comma-separated `host:port` list."""
    client: dict[str, Scalar] = Field(default_factory=dict[str, Scalar], repr=False)
    """Further librdkafka settings by their own names; secrets belong here, as `${NAME}`, and are never shown."""
    timeout_s: Seconds = 20.0
    """How long start-up waits for the brokers, and an outage may last, before the flow stops [s]."""


class KafkaSource(KafkaConnection):
    """All partitions of one topic, one stream each."""

    kind: Literal["kafka"]
    topic: Name
    """Topic to read."""
    group: Name | None = None
    """Consumer group that gets the durable offsets committed, so that lag tools see the flow; none: no commits."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where the first start begins; partitions that are added later are read from their first record."""
    new_partitions: Literal["stop", "read"] = "stop"
    """When the topic is given partitions: `stop` (series would move to them and begin anew), or `read` them too."""
    format: Literal["json"] = "json"
    """Encoding of the record values."""
    reader: Literal["auto", "fast", "portable"] = "auto"
    """`fast` takes batches from librdkafka as bytes, `portable` one object for each message; both read the same."""
    decoder: Literal["auto", "fast", "portable"] = "auto"
    """`fast` scans flat JSON in compiled code, `portable` is orjson; both give the same rows."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""


class FileSource(Section):
    """Files on disk, one stream each."""

    kind: Literal["files"]
    path: Name
    """A path or glob, relative to the folder the program runs in; `.gz` is unpacked."""
    format: Literal["csv", "jsonl"] | None = None
    """Encoding; by default told from the suffix."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Column separator of CSV."""
    follow: bool = False
    """Wait for more at the end of the file, as `tail -f` does; a last line is read when its line feed is there."""
    decoder: Literal["auto", "fast", "portable"] = "auto"
    """Decoder of JSON lines; see the Kafka source."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""


class DatasetSource(Section):
    """Labelled real data that comes with the program's own packages."""

    kind: Literal["dataset"]
    name: Literal["water_flow"]
    """Which data."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""


class MemorySource(Section):
    """A topic of the in-memory broker: for tests, demonstrations and embedding."""

    kind: Literal["memory"]
    topic: Name
    """Topic to read."""
    broker: Name = "default"
    """Which broker of this process."""
    format: Literal["json"] = "json"
    """Encoding of the record values."""
    decoder: Literal["auto", "fast", "portable"] = "auto"
    """Decoder; see the Kafka source."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""


SourceSpec = Annotated[KafkaSource | FileSource | DatasetSource | MemorySource, Field(discriminator="kind"), KIND]
