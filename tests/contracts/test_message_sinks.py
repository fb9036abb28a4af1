"""The contract of `MessageSink` and `MessageWriter`, on every implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics
from brokers.message_stores import FileMessageStore, KafkaMessageStore, MemoryMessageStore, MessageStore
from pynomaly.application.ports import Message

STORES = ["memory", "file", "mock_cluster", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, unique_name: Callable[[str], str]) -> MessageStore:
    """An output of each kind, empty."""
    if request.param == "memory":
        return MemoryMessageStore(request.getfixturevalue("memory_broker"))
    if request.param == "file":
        return FileMessageStore(tmp_path)
    if request.param == "mock_cluster":
        cluster = request.getfixturevalue("shared_mock_cluster")
        return KafkaMessageStore(KafkaTopics(cluster.bootstrap, cluster), unique_name("messages"))
    return KafkaMessageStore(request.getfixturevalue("kafka"), unique_name("messages"))


def values(numbers: Iterable[int]) -> list[bytes]:
    """Return the value of each message."""
    return [b'{"n":%d}' % number for number in numbers]


def messages(numbers: Iterable[int]) -> list[Message]:
    """Return messages with the same key, so that their order is one of the contract."""
    return [Message(value, b"key", (("name", b"content"),)) for value in values(numbers)]


def first_of_each(found: Iterable[bytes]) -> list[bytes]:
    """Drop repeats as a consumer does that recognises ids."""
    return list(dict.fromkeys(found))


def test_flushed_messages_are_there_in_order(store: MessageStore) -> None:
    """After a flush every written message can be read, in the order of writing."""
    writer = store.sink().open(None)
    writer.write(messages(range(10)))
    writer.write(messages(range(10, 300)))
    writer.flush()
    assert store.values() == values(range(300))
    writer.close()


def test_where_says_where_to_look(store: MessageStore) -> None:
    """The name shown to operators contains the topic or the path."""
    assert "messages" in store.sink().where


def test_flushing_nothing_is_allowed(store: MessageStore) -> None:
    """A flush without messages returns, also the second time."""
    writer = store.sink().open(None)
    writer.flush()
    writer.write([])
    writer.flush()
    writer.write(messages([1]))
    writer.flush()
    writer.flush()
    assert store.values() == values([1])
    writer.close()


def test_a_position_is_bytes_that_stay_while_nothing_is_written(store: MessageStore) -> None:
    """Asking for the position changes nothing."""
    writer = store.sink().open(None)
    writer.write(messages(range(3)))
    writer.flush()
    position = writer.position()
    assert isinstance(position, bytes)
    assert writer.position() == position
    writer.close()


def test_writing_goes_on_after_a_position(store: MessageStore) -> None:
    """A clean stop and start loses nothing and repeats nothing."""
    writer = store.sink().open(None)
    writer.write(messages(range(5)))
    writer.flush()
    position = writer.position()
    writer.close()
    again = store.sink().open(position)
    again.write(messages(range(5, 8)))
    again.flush()
    assert store.values() == values(range(8))
    again.close()


def test_a_crash_after_a_checkpoint_loses_nothing(store: MessageStore) -> None:
    """What was written after the position is written again on restart: each message is there, in order."""
    writer = store.sink().open(None)
    writer.write(messages(range(5)))
    writer.flush()
    position = writer.position()
    writer.write(messages(range(5, 9)))
    writer.flush()
    writer.close()
    restarted = store.sink().open(position)
    restarted.write(messages(range(5, 12)))
    restarted.flush()
    assert first_of_each(store.values()) == values(range(12))
    restarted.close()


def test_a_crash_before_the_first_checkpoint_loses_nothing(store: MessageStore) -> None:
    """Without any position the flow starts again from its beginning."""
    writer = store.sink().open(None)
    writer.write(messages(range(4)))
    writer.flush()
    writer.close()
    restarted = store.sink().open(None)
    restarted.write(messages(range(6)))
    restarted.flush()
    assert first_of_each(store.values()) == values(range(6))
    restarted.close()


def test_closing_twice_is_allowed(store: MessageStore) -> None:
    """A writer may be closed again, and its output be opened again."""
    writer = store.sink().open(None)
    writer.close()
    writer.close()
    again = store.sink().open(None)
    again.write(messages([1]))
    again.flush()
    assert store.values() == values([1])
    again.close()
