"""The topic by series: what a copy keeps, and that no copy is there without those before it, whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from confluent_kafka import KafkaError

from brokers.kafka_topics import KafkaTopics
from brokers.mock_cluster import MockCluster
from cached_kernels import LIBRARY, SCAN
from pynomaly.application.spec.record import RecordSpec, TimeSpec
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import DeliveryError, MissingInputError, StateError
from pynomaly.domain.origin import Origin
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream, WholeMessages
from pynomaly.domain.routing import route
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.codecs.origin_header import OriginDecoder
from pynomaly_connectors.codecs.payload import Headers
from pynomaly_connectors.kafka.copier import KafkaCopySink
from pynomaly_connectors.kafka.native.batch import kernels_of
from pynomaly_connectors.kafka.source import KafkaRecordSource

_STREAM: Final = Stream("readings", 2, "BWUTfCr3SJyPaiNNTIUBpg")
_PRODUCE: Final = 0
_RECORD: Final = RecordSpec(time=TimeSpec(field="ts", format="ms"), series=("pump",), values=("load",))
_TIME_MS: Final = 1_700_000_000_123


def _batch(values: list[bytes | None], series: list[bytes], first: int = 0, headers: Headers = ()) -> RecordBatch:
    count = len(values)
    offset = np.arange(first, first + count)
    whole = WholeMessages(values, [b"key"] * count, [_TIME_MS] * count, [headers] * count)
    refusal = np.array([0 if name else Reason.MALFORMED for name in series], np.uint8)
    none = np.zeros((count, 0))
    return RecordBatch(_STREAM, offset, offset, KeyColumn.of(series), none, refusal, whole=lambda: whole)


def _sink(topics: KafkaTopics, topic: str, timeout_s: float = 30.0) -> KafkaCopySink:
    spec = KafkaSink(kind="kafka", bootstrap=topics.bootstrap, topic=topic, timeout_s=5, delivery_timeout_s=timeout_s)
    return KafkaCopySink(spec, kernel=LIBRARY.entry(route))


@pytest.fixture
def fragile(mock_cluster: MockCluster) -> KafkaTopics:
    """Topics of a mock cluster of the test's own."""
    return KafkaTopics(mock_cluster.bootstrap, mock_cluster)


@pytest.mark.kafka
@pytest.mark.usefixtures("each_reader")
def test_a_copy_keeps_all_and_tells_its_origin(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """Value, key, headers and timestamp are those of the record, and both readers read where it stood."""
    topic = unique_name("by-series")
    kafka.create(topic, 1)
    copier = _sink(kafka, topic).open(None)
    copier.copy(_batch([b'{"pump":"p-1"}', None], [b"p-1", b""], first=40, headers=(("a", b"1"), ("a", None))))
    copier.copy(_batch([b"{"], [b""], first=42))
    copier.flush()
    copier.close()
    kafka.append(topic, 0, [b"a stranger's"])
    messages = kafka.read(topic)
    assert [message.value() for message in messages[:3]] == [b'{"pump":"p-1"}', None, b"{"]
    assert {message.key() for message in messages[:3]} == {b"key"}
    assert [message.timestamp()[1] for message in messages[:3]] == [_TIME_MS] * 3
    spec = KafkaSource(kind="kafka", bootstrap=kafka.bootstrap, topic=topic, timeout_s=10)
    decoder = OriginDecoder(json_decoder(_RECORD, scan=SCAN), "readings")
    source = KafkaRecordSource(spec, decoder, kernels=kernels_of(LIBRARY.entry))
    reader = source.open(source.partitions()[0], None, bounded=True)
    found: list[tuple[Origin | None, Headers]] = []
    while not reader.at_end:
        batch = reader.poll()
        if batch is not None and batch.origins is not None:
            found += [(batch.origins.at(row), batch.raw(row).headers) for row in range(len(batch))]
    reader.close()
    given: Headers = (("a", b"1"), ("a", None))
    first = [(Origin("readings", 2, offset), given) for offset in (40, 41)]
    assert found == [*first, (Origin("readings", 2, 42), ()), (None, ())]


def test_a_topic_that_is_missing_is_told(fragile: KafkaTopics) -> None:
    """Before anything is read, with how to make it."""
    with pytest.raises(MissingInputError, match="pynomaly topics create FLOW"):
        _sink(fragile, "by-series").check()


@pytest.mark.kafka
def test_a_topic_that_was_given_partitions_is_refused(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """Copies that are repeated would go elsewhere than the first ones."""
    topic = unique_name("by-series")
    kafka.create(topic, 2)
    copier = _sink(kafka, topic).open(None)
    copier.close()
    again = _sink(kafka, topic).open(copier.position())
    again.close()
    kafka.grow(topic, 3)
    with pytest.raises(StateError, match="must keep its 2 partitions, had 3"):
        _sink(kafka, topic).open(copier.position())


@pytest.mark.kafka
def test_a_topic_made_anew_is_refused(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """The copies so far are gone."""
    topic = unique_name("by-series")
    kafka.create(topic, 2)
    copier = _sink(kafka, topic).open(None)
    copier.close()
    kafka.delete(topic)
    kafka.create(topic, 2)
    with pytest.raises(StateError, match="was deleted and created again"):
        _sink(kafka, topic).open(copier.position())


@pytest.mark.parametrize("position", [b"{}", b"no JSON", b'{"version": 9, "id": "", "partitions": 1}'])
def test_a_foreign_position_is_refused(fragile: KafkaTopics, position: bytes) -> None:
    """State of something else is told."""
    fragile.create("by-series")
    with pytest.raises(StateError, match="saved state"):
        _sink(fragile, "by-series").open(position)


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD])
def test_nothing_stands_behind_a_copy_that_was_refused(
    fragile: KafkaTopics, mock_cluster: MockCluster, code: int
) -> None:
    """A refused message ends the copier, and later ones do not pass it, though they wait in the same queue."""
    fragile.create("by-series")
    copier = _sink(fragile, "by-series").open(None)
    copier.copy(_batch([b"0"], [b"p"]))
    copier.flush()
    mock_cluster.fail_requests(_PRODUCE, code)
    why = "too large" if code == KafkaError.MSG_SIZE_TOO_LARGE else "failed to validate"
    with pytest.raises(DeliveryError, match=why) as caught:  # noqa: PT012 - it may come at any of them
        for number in range(1, 200):
            copier.copy(_batch([b"%d" % number], [b"p"], first=number))
        copier.flush()
    assert caught.value.messages > 0
    copier.close()
    assert [message.value() for message in fragile.read("by-series")] == [b"0"]


def test_nothing_stands_behind_a_copy_whose_time_was_up(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """After an outage beyond the bound the copier drops all that waits: what was written is whole up to its end."""
    fragile.create("by-series")
    copier = _sink(fragile, "by-series", timeout_s=0.5).open(None)
    copier.copy(_batch([b"0"], [b"p"]))
    copier.flush()
    mock_cluster.go_down()
    for number in range(1, 50):
        copier.copy(_batch([b"%d" % number], [b"p"], first=number))
    with pytest.raises(DeliveryError, match=r"must be acknowledged within 0\.5 s"):
        copier.flush()
    copier.close()
    mock_cluster.come_up()
    found = [message.value() for message in fragile.read("by-series")]
    assert found == [b"%d" % number for number in range(len(found))]
