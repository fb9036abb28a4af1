"""Where records come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pynomaly.application.spec.complaint import Complaint, as_validation_error
from pynomaly.application.spec.registry import RecordSchemas
from pynomaly.application.spec.repartition import RepartitionSpec
from pynomaly.application.spec.section import KIND, BatchRecords, Name, Scalar, Seconds, Section
from pynomaly.application.spec.security import SecuritySpec, typed_key
from pynomaly.application.spec.start import Start

Tombstones = Literal["reject", "ignore"]


class KafkaConnection(Section):
    """How to reach a Kafka cluster."""

    bootstrap: Name
    """Comma-separated `host:port` list."""
    security: SecuritySpec = SecuritySpec()
    """Encryption and log-in; without it everything travels readable, which is refused outside this machine."""
    client: dict[str, Scalar] = Field(default_factory=dict[str, Scalar], repr=False)
    """Further librdkafka settings by their own names; never shown. Those of security have keys of their own."""
    timeout_s: Seconds = 20.0
    """How long start-up waits for the brokers, and a log-in may be refused, before the flow stops [s]."""

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
    start: Start = "earliest"
    """Where the first start begins: `earliest`, `latest`, an offset of every partition, offsets by partition (the
    others from their first record), or a moment: the first record with that timestamp or a later one. Found once and
    kept with the state; partitions that are added later are read from their first record."""
    keying: Literal["partition", "repartition"] = "partition"
    """Whether the producers key their records by series, so that each series stands in one `partition`; else
    `repartition` copies every record into a topic that is ordered by series, and the flow reads that one."""
    repartition: RepartitionSpec | None = None
    """That topic; for `keying: repartition`."""
    new_partitions: Literal["stop", "read"] = "stop"
    """When the topic is given partitions: `stop` (series would move to them and begin anew), or `read` them too."""
    out_of_range: Literal["fail", "earliest", "latest"] = "fail"
    """What to do when retention has deleted the next record before it was read: stop, or go on at the first record
    that is left, or behind the last one. What is skipped is logged, counted and kept with the state."""
    tombstones: Tombstones = "reject"
    """What becomes of records without payload: `reject` makes them `no_payload` dead letters, `ignore` only counts
    them, as the outcome `ignored`."""
    format: Literal["json", "avro", "protobuf", "json_schema"] = "json"
    """Encoding of the record values; all but `json` begin with the id of their schema, as Confluent's do."""
    schema_registry: RecordSchemas | None = None
    """Where the schemas are; for `avro`, `protobuf` and `json_schema`."""
    reader: Literal["auto", "fast", "portable"] = "auto"
    """`fast` takes batches from librdkafka as bytes, `portable` one object for each message; both read the same."""
    decoder: Literal["auto", "fast", "portable"] = "auto"
    """`fast` scans flat JSON in compiled code, `portable` is orjson; both give the same rows."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""
    outage_s: Seconds = 300.0
    """How long the brokers may be silent while the flow runs, before it stops [s]."""

    @property
    def by_series(self) -> str | None:
        """Name of the topic into which records are copied by series; None: they stand by series already."""
        if self.keying == "partition":
            return None
        given = None if self.repartition is None else self.repartition.topic
        return given or f"{self.topic}.by-series"

    @property
    def copies_within_s(self) -> float:
        """How long copies may wait for the brokers [s]; 0: there are none."""
        return 0.0 if self.by_series is None else (self.repartition or RepartitionSpec()).delivery_timeout_s

    @property
    def judged(self) -> str:
        """Name of the topic whose records are judged."""
        return self.by_series or self.topic


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
    tombstones: Tombstones = "reject"
    """What becomes of records without payload; see the Kafka source."""
    format: Literal["json"] = "json"
    """Encoding of the record values."""
    decoder: Literal["auto", "fast", "portable"] = "auto"
    """Decoder; see the Kafka source."""
    batch_records: BatchRecords = 10_000
    """Most records in one read."""


SourceSpec = Annotated[KafkaSource | FileSource | DatasetSource | MemorySource, Field(discriminator="kind"), KIND]
