"""Where records come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.section import KIND, BatchRecords, Name, Scalar, Seconds, Section
from pynomaly.application.spec.security import SecuritySpec, typed_key


class KafkaConnection(Section):
    """How to reach a Kafka cluster."""

    bootstrap: Name
    """Comma-separated `host:port` list."""
    security: SecuritySpec = SecuritySpec()
    """Encryption and log-in; without it everything travels readable, which is refused outside this machine."""
    client: dict[str, Scalar] = Field(default_factory=dict[str, Scalar], repr=False)
    """Further librdkafka settings by their own names; never shown. Those of security have keys of their own."""
    timeout_s: Seconds = 20.0
    """How long start-up waits for the brokers, and an outage may last, before the flow stops [s]."""

    @field_validator("client")
    @classmethod
    def _without_security(cls, client: dict[str, Scalar]) -> dict[str, Scalar]:
        typed = {setting: key for setting in client if (key := typed_key(setting)) is not None}
        if typed:
            complaints = [Complaint((setting,), f"must not be set: use `{key}`") for setting, key in typed.items()]
            raise as_validation_error("client", complaints)
        return client


class KafkaSource(KafkaConnection):
    """All partitions of one topic, one stream each."""

    kind: Literal["kafka"]
    topic: Name
    """Topic to read."""
    group: Name | None = None
    """Consumer group that gets the durable offsets committed, so that lag tools see the flow; none: no commits."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where the first start begins; partitions that are added later are read from their first record."""
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
