"""The contract of `RecordSource` and `PartitionReader`, on every implementation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from brokers.kafka_topics import KafkaTopics
from brokers.record_logs import FileRecordLog, KafkaRecordLog, MemoryRecordLog, RecordLog
from pynomaly.application.ports import PartitionReader, RangedSource
from pynomaly.application.spec.start import Place
from pynomaly.domain.error import MissingInputError, StateError, UnavailableError
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.files.source import FileRecordSource

DEADLINE_S = 20.0
LOGS = [
    "memory",
    "files",
    "mock_cluster-fast",
    "mock_cluster-portable",
    pytest.param("kafka-fast", marks=pytest.mark.kafka),
    pytest.param("kafka-portable", marks=pytest.mark.kafka),
]


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest, tmp_path: Path, unique_name: Callable[[str], str]) -> RecordLog:
    """An input of each kind, not yet made."""
    if request.param == "memory":
        return MemoryRecordLog(request.getfixturevalue("memory_broker"))
    if request.param == "files":
        return FileRecordLog(tmp_path)
    cluster, _, reader = request.param.partition("-")
    if cluster == "mock_cluster":
        mock = request.getfixturevalue("shared_mock_cluster")
        return KafkaRecordLog(KafkaTopics(mock.bootstrap, mock), unique_name("records"), reader)
    return KafkaRecordLog(request.getfixturevalue("kafka"), unique_name("records"), reader)


def read(reader: PartitionReader, count: int | None = None) -> list[RecordBatch]:
    """Poll until the reader is at its end, or ``count`` records have come."""
    batches: list[RecordBatch] = []
    deadline = time.monotonic() + DEADLINE_S
    while not reader.at_end and (count is None or sum(map(len, batches)) < count):
        assert time.monotonic() < deadline, f"{count} records must come within {DEADLINE_S:g} s, were {batches}"
        batch = reader.poll()
        if batch is None:
            time.sleep(0.002)
        else:
            batches.append(batch)
    return batches


def values(batches: Sequence[RecordBatch]) -> list[float]:
    """Return the values of all batches in order."""
    return [value for batch in batches for value in batch.values[:, 0].tolist()]


def numbers(count: int, first: int = 0) -> list[float]:
    """Return consecutive values."""
    return [float(number) for number in range(first, first + count)]


def test_partitions_are_named_in_a_stable_order(log: RecordLog) -> None:
    """The names are keys of the recovery store: one for each partition, and the same each time."""
    log.create(3)
    names = log.source().partitions()
    assert len(set(names)) == 3
    assert log.source().partitions() == names


def test_a_missing_input_is_reported_as_such(log: RecordLog) -> None:
    """An input that does not exist is told from one that is empty."""
    with pytest.raises(MissingInputError, match="must"):
        log.source().partitions()


def test_records_come_complete_and_in_order(log: RecordLog) -> None:
    """Every record comes once, in order, in batches of the size allowed, with rising offsets."""
    log.create(1)
    log.append(0, numbers(100))
    source = log.source(batch_records=7)
    reader = source.open(source.partitions()[0], None, bounded=True)
    batches = read(reader)
    assert values(batches) == numbers(100)
    assert max(map(len, batches)) <= 7
    assert np.all(np.diff(np.concatenate([batch.offset for batch in batches])) > 0)
    reader.close()


def test_batches_belong_to_the_stream_of_their_partition(log: RecordLog) -> None:
    """Records of different partitions never mix, whichever reader is asked."""
    log.create(3)
    for partition in range(3):
        log.append(partition, numbers(50, 100 * partition))
    source = log.source(batch_records=7)
    readers = [source.open(name, None, bounded=True) for name in source.partitions()]
    batches = [read(reader) for reader in readers]
    assert [values(found) for found in batches] == [numbers(50), numbers(50, 100), numbers(50, 200)]
    assert [{batch.stream for batch in found} for found in batches] == [{reader.stream} for reader in readers]
    for reader in readers:
        reader.close()


def test_partitions_may_be_asked_in_turn(log: RecordLog) -> None:
    """Asking one partition after another, as a dataflow does, finds what asking one after the other finds."""
    log.create(3)
    log.append(0, numbers(200))
    log.append(2, numbers(20, 1000))
    source = log.source(batch_records=16)
    readers = [source.open(name, None, bounded=True) for name in source.partitions()]
    found: list[list[RecordBatch]] = [[], [], []]
    deadline = time.monotonic() + DEADLINE_S
    while not all(reader.at_end for reader in readers):
        assert time.monotonic() < deadline
        for reader, batches in zip(readers, found, strict=True):
            batch = reader.poll()
            if batch is not None:
                batches.append(batch)
    assert [values(batches) for batches in found] == [numbers(200), [], numbers(20, 1000)]
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("batch_records", [4, 5, 100])
def test_a_bounded_read_ends_where_the_input_ended_at_open(log: RecordLog, batch_records: int) -> None:
    """Records that come later are left for the next read, which begins with the first of them."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source(batch_records)
    name = source.partitions()[0]
    reader = source.open(name, None, bounded=True)
    assert not reader.at_end
    log.append(0, numbers(10, 10))
    assert values(read(reader)) == numbers(10)
    assert reader.poll() is None
    assert reader.at_end
    position = reader.position()
    reader.close()
    again = log.source().open(name, position, bounded=True)
    assert values(read(again)) == numbers(10, 10)
    again.close()


def test_an_empty_partition_is_at_its_end(log: RecordLog) -> None:
    """A bounded read of nothing ends, and its position is one to go on from."""
    log.create(1)
    source = log.source()
    reader = source.open(source.partitions()[0], None, bounded=True)
    assert read(reader) == []
    position = reader.position()
    reader.close()
    log.append(0, numbers(5))
    again = source.open(source.partitions()[0], position, bounded=True)
    assert values(read(again)) == numbers(5)
    again.close()


def test_reading_goes_on_exactly_after_a_position(log: RecordLog) -> None:
    """From the position after any batch, the rest comes: nothing twice, nothing left out."""
    log.create(1)
    log.append(0, numbers(30))
    source = log.source(batch_records=7)
    name = source.partitions()[0]
    reader = source.open(name, None, bounded=True)
    taken, cuts = 0, [(reader.position(), 0)]
    while not reader.at_end:
        taken += sum(map(len, read(reader, count=1)))
        cuts.append((reader.position(), taken))
    reader.close()
    assert taken == 30
    for position, before in cuts:
        resumed = log.source().open(name, position, bounded=True)
        assert values(read(resumed)) == numbers(30 - before, before)
        resumed.close()


def test_a_position_is_the_same_bytes_each_time(log: RecordLog) -> None:
    """Asking for the position changes nothing."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source(batch_records=4)
    reader = source.open(source.partitions()[0], None, bounded=True)
    read(reader, count=1)
    position = reader.position()
    assert isinstance(position, bytes)
    assert reader.position() == position
    reader.close()


def test_a_foreign_position_is_refused(log: RecordLog) -> None:
    """Bytes that are no position stop the flow instead of starting it somewhere."""
    log.create(1)
    source = log.source()
    with pytest.raises(StateError, match="must be"):
        source.open(source.partitions()[0], b"nonsense", bounded=True)


def test_a_position_of_another_input_of_the_same_name_is_refused(log: RecordLog) -> None:
    """A replaced input is noticed even where it has grown past the position."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source()
    name = source.partitions()[0]
    reader = source.open(name, None, bounded=True)
    read(reader)
    position = reader.position()
    reader.close()
    log.recreate()
    log.append(0, numbers(20, 100))
    with pytest.raises((StateError, UnavailableError), match="must be"):
        log.source().open(name, position, bounded=True)


def test_an_unbounded_read_waits_for_more(log: RecordLog) -> None:
    """At the end of the input a reader has nothing, is not at an end, and finds what comes later."""
    log.create(1)
    log.append(0, numbers(5))
    source = log.source()
    reader = source.open(source.partitions()[0], None, bounded=False)
    assert values(read(reader, count=5)) == numbers(5)
    assert reader.poll() is None
    assert not reader.at_end
    log.append(0, numbers(5, 5))
    assert values(read(reader, count=5)) == numbers(5, 5)
    reader.close()


def test_lag_counts_what_is_still_to_come(log: RecordLog) -> None:
    """While records are known to wait the lag counts them; after the last one it is zero."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source(batch_records=4)
    reader = source.open(source.partitions()[0], None, bounded=False)
    taken = sum(map(len, read(reader, count=1)))
    assert reader.lag in {10 - taken, None}
    read(reader, count=10 - taken)
    assert reader.lag in {0, None}
    reader.close()


def test_polling_does_not_block(log: RecordLog) -> None:
    """A poll of an idle partition takes at most 50 ms (judged by the median, for the machine is shared)."""
    log.create(1)
    source = log.source()
    reader = source.open(source.partitions()[0], None, bounded=False)
    took: list[float] = []
    for _ in range(21):
        since = time.perf_counter()
        reader.poll()
        took.append(time.perf_counter() - since)
    assert sorted(took)[10] <= 0.05
    reader.close()


def test_confirming_a_position_changes_nothing_for_the_reader(log: RecordLog) -> None:
    """What is durable downstream is told to the input; reading goes on as before."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source(batch_records=4)
    reader = source.open(source.partitions()[0], None, bounded=True)
    first = values(read(reader, count=1))
    reader.confirm(reader.position())
    assert first + values(read(reader)) == numbers(10)
    reader.close()


def test_nothing_is_skipped_unasked(log: RecordLog) -> None:
    """Without a policy that passes over lost records none is passed over."""
    log.create(1)
    log.append(0, numbers(10))
    source = log.source()
    reader = source.open(source.partitions()[0], None, bounded=True)
    read(reader)
    assert reader.skipped == 0
    reader.close()


@pytest.mark.parametrize(
    ("begin", "end", "first", "count"),
    [(None, 4, 0, 4), (3, None, 3, 7), (3, 8, 3, 5), ({0: 9}, {0: 100}, 9, 1), (5, 5, 5, 0), (6, 2, 6, 0)],
)
def test_a_part_is_read_from_one_place_to_another(
    log: RecordLog, begin: Place | None, end: Place | None, first: int, count: int
) -> None:
    """Of an input that can be read in parts: from the first offset on, up to the second, at most to its end."""
    log.create(1)
    log.append(0, numbers(10))
    whole = log.source(batch_records=2)
    if not isinstance(whole, RangedSource):
        assert isinstance(whole, FileRecordSource)
        return
    part = whole.between(begin, end)
    reader = part.open(part.partitions()[0], None, bounded=True)
    assert values(read(reader)) == numbers(count, first)
    reader.close()


def test_closing_twice_is_allowed(log: RecordLog) -> None:
    """A reader may be closed again, and its partition be opened again."""
    log.create(1)
    log.append(0, numbers(3))
    source = log.source()
    name = source.partitions()[0]
    reader = source.open(name, None, bounded=True)
    reader.close()
    reader.close()
    again = source.open(name, None, bounded=True)
    assert values(read(again)) == numbers(3)
    again.close()
