"""The fast Kafka reader gives what the portable one gives, whatever stands in and beside the payloads."""

from __future__ import annotations

import itertools
from typing import Final, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.record import RecordBatch
from pynomaly.infrastructure.kernels import KernelLibrary
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.json_scanner import scan
from pynomaly_connectors.kafka.native.batch import kernels_of
from pynomaly_connectors.kafka.source import KafkaRecordSource

Message = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]
RECORDS: Final = {
    "timestamp": {"time": {"from": "message_timestamp"}, "values": ["v"], "series_from": "message_key"},
    "headers": {"time": {"field": "t", "format": "ms"}, "series": ["s"], "values": ["v"], "headers": ["t", "s", "v"]},
    "both": {"time": {"from": "message_timestamp"}, "series": ["s"], "values": ["v", "w"], "headers": ["s", "w"]},
}

texts = st.one_of(
    st.integers(0, 2_000_000_000_000).map(str), st.floats(allow_nan=True).map(repr), st.text(max_size=4)
).map(str.encode)
headers = st.lists(st.tuples(st.sampled_from("tsvwx"), st.one_of(st.none(), st.binary(max_size=3), texts)), max_size=6)
payloads = st.one_of(
    st.none(),
    st.binary(max_size=8),
    st.builds(b'{"v": %d, "s": "%d"}'.__mod__, st.tuples(st.integers(0, 99), st.integers(0, 9))),
)
messages = st.tuples(
    payloads, st.one_of(st.none(), st.binary(max_size=4), texts), headers, st.integers(1, 4_200_000_000_000)
)
numbers = itertools.count()


def _read(
    cluster: MockCluster, topic: str, record: RecordSpec, reader: Literal["fast", "portable"]
) -> list[tuple[object, ...]]:
    """Return every row that a reader makes of a topic."""
    spec = KafkaSource(kind="kafka", bootstrap=cluster.bootstrap, topic=topic, reader=reader, timeout_s=10)
    entry = KernelLibrary.default().entry
    decoder = json_decoder(record, "auto" if reader == "fast" else "portable", entry(scan))
    opened = KafkaRecordSource(spec, decoder, kernels=kernels_of(entry)).open(f"{topic}:0", None, bounded=True)
    rows: list[tuple[object, ...]] = []

    def poll() -> bool:
        batch = opened.poll()
        rows.extend([] if batch is None else _rows(batch))
        return opened.at_end

    until(poll, "reading to the end")
    opened.close()
    return rows


def _rows(batch: RecordBatch) -> list[tuple[object, ...]]:
    kept = batch.refused()
    return [
        (
            int(batch.offset[row]),
            int(batch.refusal[row]),
            int(batch.time_ns[row]),
            batch.key[row],
            batch.values[row].tobytes(),
            kept.get(row),
        )
        for row in range(len(batch))
    ]


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(sent=st.lists(messages, min_size=1, max_size=30))
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_both_readers_give_the_same_rows(
    shared_mock_cluster: MockCluster, record: dict[str, object], sent: list[Message]
) -> None:
    """Times, keys, values, reasons and kept bytes, with and without payload, key, headers and timestamp."""
    topics, topic = KafkaTopics(shared_mock_cluster.bootstrap, shared_mock_cluster), f"equal-{next(numbers)}"
    topics.create(topic)
    for value, key, beside, time_ms in sent:
        topics.append(topic, 0, [value], key=key, headers=beside, timestamp=time_ms)
    shape = RecordSpec.model_validate(record)
    fast, portable = (_read(shared_mock_cluster, topic, shape, reader) for reader in ("fast", "portable"))
    assert len(fast) == len(sent)
    assert fast == portable
