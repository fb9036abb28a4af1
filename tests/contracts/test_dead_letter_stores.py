"""Every place of dead letters, and every topic that records go back to, keeps its port's contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.ports import MessageSink
from pynomaly.application.spec.sink import KafkaSink, MemorySink
from pynomaly.application.topics import NeededTopic, State, TopicOptions, TopicReport, create_topics
from pynomaly.domain.error import ConfigError, MissingInputError, UnavailableError
from pynomaly.domain.event import RecordRejected
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord, Stream
from pynomaly_connectors.codecs.cloudevents import encode
from pynomaly_connectors.dead_letter_file import FileDeadLetters
from pynomaly_connectors.jsonl import JsonLinesSink, envelope_line
from pynomaly_connectors.kafka.dead_letters import KafkaDeadLetters, KafkaRecordWriter
from pynomaly_connectors.kafka.sink import KafkaMessageSink
from pynomaly_connectors.kafka.topic_admin import KafkaTopicAdmin
from pynomaly_connectors.memory import Broker, MemoryMessageSink
from pynomaly_connectors.memory.dead_letters import MemoryDeadLetters, MemoryRecordWriter
from pynomaly_connectors.memory.topic_admin import MemoryTopicAdmin

_NO_BROKER = KafkaSink(kind="kafka", bootstrap="127.0.0.1:9", topic="letters", timeout_s=1)


def _event(number: int) -> RecordRejected:
    headers: tuple[tuple[str, bytes | None], ...] = (("trace", b"\x00\xff"), ("none", None))
    raw = RawRecord(b"%d\xff" % number, None if number % 2 else b"key", headers)
    return RecordRejected(f"id-{number}", "pumps", Stream("readings", number % 3), number, Reason.MALFORMED, raw)


def _write(sink: MessageSink, count: int) -> None:
    writer = sink.open(None)
    writer.write([encode(_event(number)) for number in range(count)])
    writer.flush()
    writer.close()


@pytest.mark.parametrize(
    "kind", ["memory", "file", pytest.param("mock"), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def test_letters_are_read_as_they_were_written(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """All of them, exactly, from any sink that dead letters go to; twice over, for reading takes nothing away."""
    if kind == "memory":
        request.getfixturevalue("memory_broker").create_topic("letters", 2)
        spec = MemorySink(kind="memory", topic="letters")
        sink, store = MemoryMessageSink(spec), MemoryDeadLetters(spec)
    elif kind == "file":
        path = tmp_path / "letters.jsonl"
        sink, store = JsonLinesSink(path, envelope_line), FileDeadLetters(path)
    else:
        topics = _topics(kind, request)
        topic = unique_name("letters")
        topics.create(topic, 3)
        spec = KafkaSink(kind="kafka", bootstrap=topics.bootstrap, topic=topic)
        sink, store = KafkaMessageSink(spec), KafkaDeadLetters(spec)
    _write(sink, 1_200)
    for _ in range(2):
        found = sorted((one for one in store.letters() if one is not None), key=lambda one: one.place.offset)
        assert [letter.id for letter in found] == [f"id-{number}" for number in range(1_200)]
        assert [letter.raw for letter in found] == [_event(number).raw for number in range(1_200)]
        assert {letter.written_ns is None for letter in found} == {kind in {"memory", "file"}}


def _topics(kind: str, request: pytest.FixtureRequest) -> KafkaTopics:
    if kind == "kafka":
        kafka: KafkaTopics = request.getfixturevalue("kafka")
        return kafka
    mock = request.getfixturevalue("shared_mock_cluster")
    return KafkaTopics(mock.bootstrap, mock)


def test_records_go_back_into_their_partition_of_a_memory_topic(memory_broker: Broker) -> None:
    """Of a topic that has fewer by now, to where their key belongs."""
    memory_broker.create_topic("readings", 2)
    writer = MemoryRecordWriter(memory_broker, "readings")
    for partition in (1, 1, 7, None):
        writer.send(RawRecord(None, b"k", (("none", None),)), partition)
    one, other = ([*memory_broker.fetch(stream, 0, 9)] for stream in memory_broker.streams("readings"))
    assert len(one) + len(other) == 4
    assert len(other) >= 2
    assert {(record.value, record.key, record.headers) for record in (*one, *other)} == {
        (None, b"k", (("none", None),))
    }
    with pytest.raises(MissingInputError):
        MemoryRecordWriter(memory_broker, "missing")


@pytest.mark.kafka
def test_records_go_back_into_their_partition_of_a_kafka_topic(
    kafka: KafkaTopics, unique_name: Callable[[str], str]
) -> None:
    """Null values and null headers among them, acknowledged when flush returns."""
    topic = unique_name("readings")
    kafka.create(topic, 3)
    writer = KafkaRecordWriter(KafkaSink(kind="kafka", bootstrap=kafka.bootstrap, topic=topic))
    for number, partition in enumerate((2, 0, 9, None)):
        writer.send(RawRecord(None if number == 1 else b"v", b"k", (("n", None), ("b", b"\xff"))), partition)
    writer.flush()
    found = kafka.read(topic)
    assert [(m.value(), m.partition()) for m in found if m.partition() == 0][:1] == [(None, 0)]
    assert [m.value() for m in found if m.partition() == 2][:1] == [b"v"]
    assert len(found) == 4
    assert {tuple(m.headers() or ()) for m in found} == {(("n", None), ("b", b"\xff"))}
    writer.close()


@pytest.mark.kafka
def test_a_missing_topic_is_told(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """Before anything is read or sent, with the command that makes it."""
    spec = KafkaSink(kind="kafka", bootstrap=kafka.bootstrap, topic=unique_name("missing"))
    with pytest.raises(MissingInputError, match="pynomaly topics create FLOW"):
        next(KafkaDeadLetters(spec).letters())
    with pytest.raises(MissingInputError):
        KafkaRecordWriter(spec)


def test_a_silent_cluster_is_told() -> None:
    """Within the bound of the connection."""
    with pytest.raises(UnavailableError, match="must answer within 1 s"):
        next(KafkaDeadLetters(_NO_BROKER).letters())
    with pytest.raises(UnavailableError, match="must answer within 1 s"):
        KafkaTopicAdmin(_NO_BROKER).find("letters")


def _created(needed: NeededTopic, options: TopicOptions, *, dry_run: bool = False) -> TopicReport:
    (report,) = create_topics([needed], options, dry_run=dry_run)
    return report


def test_topics_of_a_memory_broker_are_made_once(memory_broker: Broker) -> None:
    """A rehearsal makes none; a repeat makes none again and says in what the topic differs."""
    needed = NeededTopic("input", "readings", MemoryTopicAdmin("default"))
    options = TopicOptions(input_partitions=3)
    assert _created(needed, options, dry_run=True).state is State.MISSING
    assert _created(needed, options).state is State.CREATED
    assert len(memory_broker.streams("readings")) == 3
    again = _created(needed, TopicOptions(input_partitions=5))
    assert (again.state, again.differences) == (State.EXISTS, ("partitions is 3, would be made with 5",))


@pytest.mark.kafka
def test_topics_of_a_kafka_cluster_are_made_once(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """With the settings that dead letters need; of one that was made otherwise the differences are told."""
    admin = KafkaTopicAdmin(KafkaSink(kind="kafka", bootstrap=kafka.bootstrap, topic="any"))
    assert admin.default_replication() == 1
    name = unique_name("letters")
    needed = NeededTopic("dead_letters", name, admin)
    assert _created(needed, TopicOptions(), dry_run=True).state is State.MISSING
    assert admin.find(name) is None
    assert _created(needed, TopicOptions()).state is State.CREATED
    found = admin.find(name)
    assert found is not None
    assert (found.partitions, found.replication) == (1, 1)
    expected = {
        "cleanup.policy": "delete",
        "retention.ms": str(30 * 86_400_000),
        "min.insync.replicas": "1",
        "message.timestamp.type": "CreateTime",
    }
    assert {setting: found.settings[setting] for setting in expected} == expected
    again = _created(needed, TopicOptions())
    assert (again.state, again.differences) == (State.EXISTS, ())
    assert not admin.create(again.wish)
    other = unique_name("compacted")
    kafka.create(other, 2, cleanup_policy="compact", retention_ms=str(30 * 86_400_000))
    assert _created(NeededTopic("dead_letters", other, admin), TopicOptions()).differences == (
        "partitions is 2, would be made with 1",
        "cleanup.policy is compact, would be made with delete",
    )


@pytest.mark.kafka
def test_a_topic_that_the_cluster_cannot_make(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """One broker keeps no three copies."""
    admin = KafkaTopicAdmin(KafkaSink(kind="kafka", bootstrap=kafka.bootstrap, topic="any"))
    with pytest.raises(ConfigError, match=r"must be a topic that the cluster can make, was refused: .*[Rr]eplication"):
        _created(NeededTopic("alerts", unique_name("alerts"), admin), TopicOptions(replication=3))
