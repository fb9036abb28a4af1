"""Rights on a real Kafka: one that is missing is told at the start, one that is withdrawn stops who needs it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from brokers.kafka_topics import until
from brokers.record_logs import payload
from brokers.secured_kafka import SecuredKafka
from integration.secured_clients import AT_ONCE_S, read, sink, source
from pynomaly.application.ports import Message, PartitionReader
from pynomaly.domain.error import AccessError, PynomalyError
from pynomaly_connectors.kafka.source import KafkaRecordSource

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP


pytestmark = pytest.mark.kafka


@pytest.fixture
def topic(secured_kafka: SecuredKafka, unique_name: Callable[[str], str]) -> str:
    """A topic of the test's own, with a record, that nobody may use yet."""
    name = unique_name("records")
    secured_kafka.create(name)
    secured_kafka.append(name, [payload(1)])
    return name


# At the start


@pytest.mark.parametrize("rights", [(), (DESCRIBE,), (WRITE,)])
def test_an_input_that_we_may_not_read_is_told_at_the_start(
    secured_kafka: SecuredKafka, topic: str, rights: tuple[AclOperation, ...]
) -> None:
    """To see a topic, or to write it, is not enough."""
    secured_kafka.allow("alice", TOPIC, topic, *rights)
    said = rf"topic {topic} at .* must be open to this user.*; grant READ on the topic to User:alice"
    with pytest.raises(AccessError, match=said):
        source(secured_kafka.scram, topic, secured_kafka.scram_security()).partitions()


@pytest.mark.parametrize("rights", [(), (DESCRIBE,), (READ,)])
def test_an_output_that_we_may_not_write_is_told_at_the_start(
    secured_kafka: SecuredKafka, topic: str, rights: tuple[AclOperation, ...]
) -> None:
    """Not by the first alert, weeks later."""
    secured_kafka.allow("alice", TOPIC, topic, *rights)
    said = rf"topic {topic} at .* must be open to this user.*; grant WRITE on the topic to User:alice"
    with pytest.raises(AccessError, match=said):
        sink(secured_kafka.scram, topic, secured_kafka.scram_security()).check()


@pytest.mark.parametrize("rights", [(), (DESCRIBE,)])
def test_a_group_that_we_may_not_use_is_told_at_the_start(
    secured_kafka: SecuredKafka, shared: str, topic: str, rights: tuple[AclOperation, ...]
) -> None:
    """A flow that names a group wants its progress seen; nothing waits for a coordinator that will not have us."""
    secured_kafka.allow("alice", GROUP, topic, *rights)
    made = source(secured_kafka.scram, shared, secured_kafka.scram_security(), group=topic)
    since = time.monotonic()
    with pytest.raises(AccessError, match=rf"group {topic} at .*; grant READ on the group to User:alice, or leave"):
        made.partitions()
    assert time.monotonic() - since < AT_ONCE_S
    secured_kafka.allow("alice", GROUP, topic, READ)
    until(lambda: _opens(made), "the right holds")


def _opens(made: KafkaRecordSource) -> bool:
    try:
        made.partitions()
    except AccessError:
        return False
    return True


@pytest.mark.usefixtures("each_reader")
def test_without_a_group_no_right_to_one_is_needed(
    secured_kafka: SecuredKafka, shared: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client asks for a coordinator all the same; its refusal neither stops, delays nor is told."""
    with caplog.at_level(logging.WARNING):
        reader = source(secured_kafka.scram, shared, secured_kafka.scram_security()).open(
            f"{shared}:0", None, bounded=False
        )
        assert read(reader, 3)[:3] == [1.0, 2.0, 3.0]
        reader.confirm(reader.position())
        since = time.monotonic()
        reader.close()
    assert time.monotonic() - since < AT_ONCE_S
    assert set(caplog.messages) <= {"kafka_reader_portable"}


# Withdrawn while the flow runs


def stopped_by(polled: PartitionReader) -> PynomalyError:
    """Poll until the reader is stopped, and return by what."""
    caught: list[PynomalyError] = []

    def poll() -> bool:
        try:
            polled.poll()
        except PynomalyError as error:
            caught.append(error)
        return len(caught) > 0

    until(poll, "the reader stops")
    return caught[0]


@pytest.mark.usefixtures("each_reader")
def test_a_right_that_is_withdrawn_stops_the_reader_which_goes_on_exactly(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    """What was read stays read; when the right is back, the next record is the next one."""
    secured_kafka.allow("alice", TOPIC, topic, READ)
    made = source(secured_kafka.scram, topic, secured_kafka.scram_security())
    reader = made.open(f"{topic}:0", None, bounded=False)
    assert read(reader, 1) == [1.0]
    secured_kafka.forbid("alice", TOPIC, topic, READ)
    refused = stopped_by(reader)
    assert isinstance(refused, AccessError)
    assert "grant READ on the topic to User:alice" in str(refused)
    position = reader.position()
    reader.close()
    secured_kafka.append(topic, [payload(2)])
    secured_kafka.allow("alice", TOPIC, topic, READ)
    until(lambda: _opens(made), "the right is back")
    again = made.open(f"{topic}:0", position, bounded=False)
    assert read(again, 1) == [2.0]
    again.close()


@pytest.mark.usefixtures("each_reader")
def test_credentials_that_are_withdrawn_stop_the_reader(
    secured_kafka: SecuredKafka, topic: str, unique_name: Callable[[str], str]
) -> None:
    """The brokers ask again who we are, and no longer know us."""
    user = unique_name("user")
    secured_kafka.add_user(user, "for-now")
    secured_kafka.allow(user, TOPIC, topic, READ)
    security = secured_kafka.scram_security(user, "for-now")
    made = source(secured_kafka.scram, topic, security, timeout_s=2)
    until(lambda: _opens(made), "the user may read")
    reader = made.open(f"{topic}:0", None, bounded=False)
    assert read(reader, 1) == [1.0]
    secured_kafka.remove_user(user)
    refused = stopped_by(reader)
    assert isinstance(refused, AccessError), refused
    assert "check user and password of `security.sasl`" in str(refused)
    reader.close()


def test_a_writer_that_may_no_longer_write_says_so(secured_kafka: SecuredKafka, topic: str) -> None:
    """Neither the message nor its failure is lost."""
    secured_kafka.allow("alice", TOPIC, topic, WRITE)
    writer = sink(secured_kafka.scram, topic, secured_kafka.scram_security()).open(None)
    writer.write([Message(payload(2))])
    writer.flush()
    secured_kafka.forbid("alice", TOPIC, topic, WRITE)

    def refused() -> bool:
        try:
            writer.write([Message(payload(3))])
            writer.flush()
        except AccessError as error:
            return "grant WRITE on the topic to User:alice" in str(error)
        return False

    until(refused, "the writer is refused")
    with pytest.raises(AccessError):
        writer.flush()
    writer.close()
