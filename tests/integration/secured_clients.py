"""Sources and sinks that log in to a secured Kafka, and how long they may take."""

from __future__ import annotations

from brokers.kafka_topics import until
from brokers.record_logs import RECORDS
from brokers.secured_kafka import Section
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.source import KafkaRecordSource

TIMEOUT_S = 10.0
AT_ONCE_S = 5.0  # a refusal is not waited out


def source(bootstrap: str, topic: str, security: Section, **fields: object) -> KafkaRecordSource:
    """Return a source."""
    given = {"kind": "kafka", "bootstrap": bootstrap, "topic": topic, "security": security, "timeout_s": TIMEOUT_S}
    return KafkaRecordSource(KafkaSource.model_validate(given | fields), json_decoder(RECORDS, "portable"))


def sink(bootstrap: str, topic: str, security: Section, **fields: object) -> KafkaMessageSink:
    """Return a sink."""
    given = {"kind": "kafka", "bootstrap": bootstrap, "topic": topic, "security": security, "timeout_s": TIMEOUT_S}
    return KafkaMessageSink(KafkaSink.model_validate(given | fields))


def read(reader: PartitionReader, count: int) -> list[float]:
    """Read a number of values."""
    found: list[float] = []

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            found.extend(batch.values[:, 0].tolist())
        return len(found) >= count

    until(poll, f"{count} records")
    return found
