"""What only Kafka does to a writer: refused and expired messages, full queues, keys and headers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from pynomaly.application.ports import MayBeAway, Message
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.domain.error import AccessError, DeliveryError, MissingInputError
from pynomaly.domain.event import RecordRejected
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.cloudevents import encode
from pynomaly_connectors.kafka.sink import KafkaMessageSink

PRODUCE = 0
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
def fragile(mock_cluster: MockCluster) -> KafkaTopics:
    """A cluster of the test's own with topic `alerts`, to break."""
    topics = KafkaTopics(mock_cluster.bootstrap, mock_cluster)
    topics.create("alerts")
    return topics


def sink(bootstrap: str, topic: str = "alerts", **fields: object) -> KafkaMessageSink:
    """Return the code under test."""
    given = {"kind": "kafka", "bootstrap": bootstrap, "topic": topic, "timeout_s": 5, **fields}
    return KafkaMessageSink(KafkaSink.model_validate(given))


def test_a_missing_topic_is_told_at_open(fragile: KafkaTopics) -> None:
    """Not half a minute after the first alert."""
    with pytest.raises(MissingInputError, match=r"topic nowhere at .* must exist"):
        sink(fragile.bootstrap, "nowhere").open(None)


def test_a_refused_message_says_which_right_is_missing(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """The first failure names topic and right, and the writer stays unusable."""
    writer = sink(fragile.bootstrap).open(None)
    mock_cluster.fail_requests(PRODUCE, TOPIC_AUTHORIZATION_FAILED)
    writer.write([Message(b"1", b"k")])
    with pytest.raises(
        AccessError, match=r"topic alerts at .* must be open to this user, .*; grant WRITE on the topic"
    ):
        writer.flush()
    with pytest.raises(AccessError, match="grant WRITE on the topic"):
        writer.write([Message(b"2", b"k")])
    with pytest.raises(AccessError, match="grant WRITE on the topic"):
        writer.flush()
    writer.close()


def test_an_outage_longer_than_the_bound_is_a_delivery_error(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """The epoch must not become durable without its alerts."""
    writer = sink(fragile.bootstrap, delivery_timeout_s=1).open(None)
    mock_cluster.go_down()
    since = time.monotonic()
    writer.write([Message(b"1", b"k")])
    with pytest.raises(DeliveryError, match=r"_MSG_TIMED_OUT.* look at the brokers and at `min\.insync\.replicas`"):
        writer.flush()
    assert time.monotonic() - since < 10
    writer.close()


def test_an_idle_output_knows_that_its_brokers_are_away(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """Nothing is written, and each look says so within its tenth of a second; an empty flush is no answer."""
    writer = sink(fragile.bootstrap).open(None)
    assert isinstance(writer, MayBeAway)
    writer.write([Message(b"1", b"k")])
    writer.flush()
    assert writer.idle() is None
    mock_cluster.go_down()
    until(lambda: writer.idle() is not None, "the outage is told", 20.0)
    writer.flush()
    assert "is out of reach" in (writer.idle() or "")
    mock_cluster.come_up()
    until(lambda: writer.idle() is None, "the end of the outage is told", 20.0)
    writer.close()


def test_an_outage_within_the_bound_is_waited_out(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """Messages written while the brokers are away are there once, in order, when flush returns."""
    writer = sink(fragile.bootstrap).open(None)
    writer.write([Message(b"%d" % number, b"k") for number in range(10)])
    mock_cluster.go_down()
    writer.write([Message(b"%d" % number, b"k") for number in range(10, 20)])
    mock_cluster.come_up()
    writer.flush()
    assert [message.value() for message in fragile.read("alerts")] == [b"%d" % number for number in range(20)]
    writer.close()


def test_an_output_may_be_opened_during_an_outage(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """A flow opens it for its first event, long after the check: brokers that are away by then are waited for."""
    checked = sink(fragile.bootstrap, timeout_s=1)
    checked.check()
    mock_cluster.go_down()
    writer = checked.open(None)
    writer.write([Message(b"1", b"k")])
    mock_cluster.come_up()
    writer.flush()
    assert [message.value() for message in fragile.read("alerts")] == [b"1"]
    writer.close()


def test_a_full_queue_holds_the_writer_back(fragile: KafkaTopics) -> None:
    """Back-pressure loses nothing and takes no memory."""
    writer = sink(fragile.bootstrap, client={"queue.buffering.max.messages": 10}).open(None)
    writer.write([Message(b"%d" % number, b"k") for number in range(500)])
    writer.flush()
    assert [message.value() for message in fragile.read("alerts")] == [b"%d" % number for number in range(500)]
    writer.close()


def test_a_message_too_large_for_the_client_is_named_with_its_size(fragile: KafkaTopics) -> None:
    """The operator learns which two settings to raise."""
    writer = sink(fragile.bootstrap, client={"message.max.bytes": 2000}).open(None)
    with pytest.raises(
        DeliveryError, match=r"to alerts must be no larger .*, was 5000 bytes: raise `message.max.bytes`"
    ):
        writer.write([Message(b"x" * 5000, b"k")])
    writer.close()


def test_closing_does_not_wait_for_absent_brokers(fragile: KafkaTopics, mock_cluster: MockCluster) -> None:
    """A crash on the way out must not hang for the delivery bound."""
    writer = sink(fragile.bootstrap).open(None)
    mock_cluster.go_down()
    writer.write([Message(b"1", b"k")])
    since = time.monotonic()
    writer.close()
    writer.close()
    assert time.monotonic() - since < 3


@pytest.mark.kafka
@pytest.mark.parametrize("size", [1_000_000, 5_000_000])
def test_a_dead_letter_of_any_record_is_delivered(
    kafka: KafkaTopics, unique_name: Callable[[str], str], size: int
) -> None:
    """Neither client nor topic refuse it as they are by default: else a flow would stop at its record for ever."""
    topic = unique_name("dead")
    kafka.create(topic)
    raw = RawRecord(random.Random(7).randbytes(size), b"pump-1", (("trace", b"t" * 500),))
    letter = encode(RecordRejected("0f", "pumps", Stream("vibration", 2, "id"), 45, Reason.MALFORMED, raw))
    writer = sink(kafka.bootstrap, topic).open(None)
    writer.write([letter, letter])
    writer.flush()
    found = kafka.read(topic)
    assert [message.value() for message in found] == [letter.value, letter.value]
    assert len(letter.value) > 990_000
    writer.close()


@pytest.mark.kafka
def test_a_message_too_large_for_the_topic_is_named_with_its_size(
    kafka: KafkaTopics, unique_name: Callable[[str], str]
) -> None:
    """The broker's own limit is told the same way."""
    topic = unique_name("alerts")
    kafka.create(topic, max_message_bytes="1000")
    writer = sink(kafka.bootstrap, topic, client={"compression.type": "none"}).open(None)
    writer.write([Message(b"x" * 5000, b"k")])
    with pytest.raises(DeliveryError, match=rf"message to {topic}\[0\] must be no larger .*, was 5000 bytes"):
        writer.flush()
    writer.close()


@pytest.mark.kafka
def test_messages_keep_key_and_headers(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """What consumers recognise an event by arrives; a key stays in its partition."""
    topic = unique_name("alerts")
    kafka.create(topic, 4)
    writer = sink(kafka.bootstrap, topic).open(None)
    writer.write(
        [Message(b"%d" % number, b"pump-%d" % (number % 3), (("ce_id", b"%d" % number),)) for number in range(30)]
    )
    writer.write([Message(b"keyless")])
    writer.flush()
    found = kafka.read(topic)
    assert len(found) == 31
    keyed = [message for message in found if message.key() is not None]
    assert all(message.headers() == [("ce_id", message.value())] for message in keyed)
    assert len({(message.key(), message.partition()) for message in keyed}) == 3
    writer.close()
