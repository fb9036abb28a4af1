"""The in-memory broker keeps to Kafka's rules."""

from __future__ import annotations

from threading import Thread

import pytest

from pynomaly.application.ports import Message
from pynomaly.application.spec.sink import MemorySink
from pynomaly.application.spec.source import MemorySource
from pynomaly.domain.error import MissingInputError, UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.memory import (
    Broker,
    MemoryMessageSink,
    MemoryRecordSource,
    StoredRecord,
    broker,
    reset_brokers,
)


class NoDecoder:
    """Stands where nothing is decoded."""

    def decode(self, stream: Stream, raw: RawBatch) -> RecordBatch:
        """Fail: no record is expected."""
        raise AssertionError(f"{len(raw)} records of {stream} must not be decoded")


def test_records_keep_all_their_parts() -> None:
    """Value, key, headers and offset come back, tombstones and missing keys included."""
    memory = Broker()
    assert memory.append("t", b"v", b"k", (("h", b"1"), ("h", None))) == 0
    assert memory.append("t", None) == 1
    assert memory.records("t") == [StoredRecord(0, b"v", b"k", (("h", b"1"), ("h", None))), StoredRecord(1, None)]


def test_a_key_stays_in_its_partition() -> None:
    """Order of one key is order in one partition; the choice (CRC-32 of the key) repeats in every process."""
    memory = Broker()
    memory.create_topic("t", 4)
    for number in range(40):
        memory.append("t", b"%d" % number, b"key-%d" % (number % 8))
    held = [[record.key for record in memory.fetch(stream, 0, 40)] for stream in memory.streams("t")]
    assert sum(map(len, held)) == 40
    assert all(keys.count(key) == 5 for keys in held for key in set(keys))
    assert sum(bool(keys) for keys in held) > 1


def test_records_without_key_go_round() -> None:
    """They spread evenly."""
    memory = Broker()
    memory.create_topic("t", 3)
    for _ in range(9):
        memory.append("t", b"v")
    assert [memory.log(stream).high for stream in memory.streams("t")] == [3, 3, 3]


def test_retention_keeps_the_newest_records_at_their_offsets() -> None:
    """Memory is bounded; what has gone is reported, not skipped."""
    memory = Broker(retained_records=10)
    for number in range(25):
        memory.append("t", b"%d" % number)
    (stream,) = memory.streams("t")
    log = memory.log(stream)
    assert (log.low, log.high) == (15, 25)
    assert [record.value for record in memory.fetch(stream, 15, 3)] == [b"15", b"16", b"17"]
    assert [record.offset for record in memory.fetch(stream, 24, 3)] == [24]
    assert memory.fetch(stream, 25, 3) == []
    with pytest.raises(UnavailableError, match="records 14 to 14 were deleted by retention"):
        memory.fetch(stream, 14, 1)


def test_a_reader_of_a_deleted_topic_is_told() -> None:
    """Also when a new topic of the name has taken its place."""
    memory = Broker()
    memory.append("t", b"v")
    (old,) = memory.streams("t")
    memory.delete_topic("t")
    with pytest.raises(MissingInputError, match="topic t must exist"):
        memory.streams("t")
    memory.append("t", b"w")
    with pytest.raises(UnavailableError, match="must stay while it is read"):
        memory.fetch(old, 0, 1)


def test_creating_a_topic_again_changes_nothing() -> None:
    """Two parts of a program may both make sure of a topic."""
    memory = Broker()
    memory.create_topic("t", 2)
    memory.append("t", b"v", partition=1)
    memory.create_topic("t", 5)
    assert [memory.log(stream).high for stream in memory.streams("t")] == [0, 1]


def test_threads_append_without_losing_records() -> None:
    """Every record of every thread gets an offset of its own, and each thread's records stay in order."""
    memory = Broker()

    def append(thread: int) -> None:
        for number in range(500):
            memory.append("t", b"%d" % number, b"%d" % thread)

    threads = [Thread(target=append, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = memory.records("t")
    assert [record.offset for record in records] == list(range(2000))
    for thread in range(4):
        values = [record.value for record in records if record.key == b"%d" % thread]
        assert values == [b"%d" % number for number in range(500)]


def test_brokers_are_known_by_name() -> None:
    """One process may hold several, and a reset forgets them all."""
    reset_brokers()
    broker("one").append("t", b"v")
    assert broker("one") is broker("one")
    assert broker("one") is not broker()
    reset_brokers()
    with pytest.raises(MissingInputError):
        broker("one").streams("t")


def test_messages_keep_key_and_headers(memory_broker: Broker) -> None:
    """A sink writes whole messages; its topic comes into being."""
    writer = MemoryMessageSink(MemorySink(kind="memory", topic="alerts")).open(None)
    writer.write([Message(b"v", b"k", (("ce_id", b"1"),))])
    writer.flush()
    assert memory_broker.records("alerts") == [StoredRecord(0, b"v", b"k", (("ce_id", b"1"),))]


@pytest.mark.usefixtures("memory_broker")
def test_a_partition_that_does_not_exist_is_named() -> None:
    """A saved partition may be gone after a change of topic."""
    broker().create_topic("t")
    source = MemoryRecordSource(MemorySource(kind="memory", topic="t"), NoDecoder())
    with pytest.raises(UnavailableError, match="partition t:7 must be one of"):
        source.open("t:7", None, bounded=True)
