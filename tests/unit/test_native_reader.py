"""The fast reader on the mock cluster: what is copied, what is given back, what happens where it cannot work."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from brokers.record_logs import RECORDS, payload
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.kafka import source as kafka_source
from pynomaly_connectors.kafka.client import consumer_settings
from pynomaly_connectors.kafka.native import memory
from pynomaly_connectors.kafka.native.batch import MessageKernels
from pynomaly_connectors.kafka.native.consumer import NativeConsumer
from pynomaly_connectors.kafka.native.feed import NativeFeed
from pynomaly_connectors.kafka.native.library import LibraryMissingError, NativeMessage
from pynomaly_connectors.kafka.portable_feed import PortableFeed
from pynomaly_connectors.kafka.source import KafkaRecordSource


def _spec(cluster: MockCluster, **options: object) -> KafkaSource:
    return KafkaSource.model_validate(
        {"kind": "kafka", "bootstrap": cluster.bootstrap, "topic": "records", "timeout_s": 5, **options}
    )


@pytest.fixture
def consumer(mock_cluster: MockCluster) -> Iterator[NativeConsumer]:
    """A consumer of a topic of one partition that holds a record of each kind."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    topics.append("records", 0, [b"first", None, b""], key=b"key", headers=[("a", b"1"), ("b", None), ("a", b"2")])
    topics.append("records", 0, [b"last"])
    settings = consumer_settings(_spec(mock_cluster))
    opened = NativeConsumer(settings, pytest.fail, pytest.fail, lambda _line: None, MessageKernels())
    opened.assign("records", 0, 0)
    yield opened
    opened.close()


def _read(consumer: NativeConsumer, count: int) -> list[RawBatch]:
    found: list[RawBatch] = []

    def enough() -> bool:
        lease = consumer.take("records", 0, 100)
        if lease is not None:
            found.append(lease.columns()[0])
        return sum(map(len, found)) >= count

    until(enough, f"{count} records", 20.0)
    return found


def test_the_layout_is_that_of_the_header_file() -> None:
    """Compiled code reads messages at fixed places: those of the C structure."""
    places = {name: getattr(NativeMessage, name).offset for name in ("err", "payload", "length", "key", "key_length")}
    assert places == {
        "err": memory.ERR_AT,
        "payload": memory.PAYLOAD_AT,
        "length": memory.LENGTH_AT,
        "key": memory.KEY_AT,
        "key_length": memory.KEY_LENGTH_AT,
    }
    assert NativeMessage.offset.offset == memory.OFFSET_AT


def test_payloads_keys_and_headers_arrive(consumer: NativeConsumer) -> None:
    """A tombstone is not an empty payload; a header may have no value, and its name may come twice."""
    records = [
        (raw.payload(row), raw.key(row), raw.headers(row)) for raw in _read(consumer, 4) for row in range(len(raw))
    ]
    headers = (("a", b"1"), ("b", None), ("a", b"2"))
    assert records == [
        (b"first", b"key", headers),
        (None, b"key", headers),
        (b"", b"key", headers),
        (b"last", None, ()),
    ]


def test_messages_outlive_their_partition_but_not_the_consumer(consumer: NativeConsumer) -> None:
    """What was read can be turned into a dead letter after the partition was left; at the end all goes back."""
    first = _read(consumer, 4)[0]
    consumer.unassign("records", 0)
    consumer.unassign("records", 0)
    assert first.record(0).headers[0] == ("a", b"1")
    consumer.close()
    consumer.close()
    with pytest.raises(IndexError):
        first.headers(0)
    assert first.payload(0) == b"first"


def test_what_nobody_holds_is_given_back(consumer: NativeConsumer) -> None:
    """A batch that was judged keeps no memory of librdkafka."""
    batches = _read(consumer, 4)
    assert len(consumer._leases) > 0
    batches.clear()
    gc.collect()
    assert len(consumer._leases) == 0


def test_a_refused_setting_is_named(mock_cluster: MockCluster) -> None:
    """Librdkafka's own words, at the place in the flow."""
    settings = {**consumer_settings(_spec(mock_cluster)), "no.such.setting": 1}
    with pytest.raises(ConfigError, match=r'client: must hold librdkafka settings, was refused: .*"no.such.setting"'):
        NativeConsumer(settings, pytest.fail, pytest.fail, pytest.fail, MessageKernels())


@pytest.mark.parametrize(("reader", "feed"), [("auto", NativeFeed), ("fast", NativeFeed), ("portable", PortableFeed)])
def test_the_reader_is_chosen(mock_cluster: MockCluster, reader: str, feed: type) -> None:
    """The fast one where nothing is said."""
    KafkaTopics(mock_cluster.bootstrap, mock_cluster).create("records")
    source = KafkaRecordSource(_spec(mock_cluster, reader=reader), json_decoder(RECORDS, "portable"))
    opened = source.open(source.partitions()[0], None, bounded=True)
    assert type(source._feed) is feed
    opened.close()


def test_where_librdkafka_cannot_be_called(
    mock_cluster: MockCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`auto` reads on with the portable reader and says why; `fast` is refused."""

    def missing(*_arguments: object, **_options: object) -> NativeFeed:
        raise LibraryMissingError("librdkafka must have a function, had not")

    monkeypatch.setattr(kafka_source, "NativeFeed", missing)
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("records")
    topics.append("records", 0, [payload(1.0)])
    source = KafkaRecordSource(_spec(mock_cluster), json_decoder(RECORDS, "portable"))
    with caplog.at_level(logging.WARNING):
        reader = source.open(source.partitions()[0], None, bounded=True)
    assert "kafka_reader_portable" in caplog.messages
    deadline = time.monotonic() + 20.0
    while (batch := reader.poll()) is None:
        assert time.monotonic() < deadline
    assert batch.values[:, 0].tolist() == [1.0]
    reader.close()
    refused = KafkaRecordSource(_spec(mock_cluster, reader="fast"), json_decoder(RECORDS, "portable"))
    with pytest.raises(ConfigError, match=r"source\.reader: must be auto or portable on this platform"):
        refused.open(refused.partitions()[0], None, bounded=True)
