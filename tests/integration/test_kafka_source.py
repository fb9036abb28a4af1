"""What only Kafka does to a reader: refusals, retention, transactions, groups, many partitions."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from confluent_kafka import Producer

from brokers.kafka_topics import QUIET, KafkaTopics, until
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import InputGrownError, MissingInputError, StateError, UnavailableError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.source import KafkaRecordSource
from pynomaly_connectors.kafka.topic_watch import EVERY_S
from pynomaly_connectors.log_position import LogPosition

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_reader")]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, but not listening
        yield held.getsockname()[1]


def _shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    """Answer TLS handshakes until the server is shut down; the client hangs up in each."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()


@pytest.fixture
def topic(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> str:
    """An empty topic with one partition."""
    name = unique_name("records")
    kafka.create(name)
    return name


def spec(bootstrap: str, topic: str, client: dict[str, str] | None = None, **fields: object) -> KafkaSource:
    """Return a source specification."""
    given = {"kind": "kafka", "bootstrap": bootstrap, "topic": topic, "client": client or {}, "timeout_s": 10, **fields}
    return KafkaSource.model_validate(given)


def source_of(given: KafkaSource) -> KafkaRecordSource:
    """Return the code under test."""
    return KafkaRecordSource(given, json_decoder(RECORDS, "portable"))


def opened(given: KafkaSource, position: bytes | None = None, *, bounded: bool = False) -> PartitionReader:
    """Open the first partition."""
    source = source_of(given)
    return source.open(source.partitions()[0], position, bounded=bounded)


def values(reader: PartitionReader, done: Callable[[list[float]], bool]) -> list[float]:
    """Poll until the values that came satisfy a condition."""
    found: list[float] = []

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            found.extend(batch.values[:, 0].tolist())
        return done(found)

    until(poll, f"reading, {found[-3:]} so far")
    return found


def test_an_unreachable_cluster_is_told_within_its_bound(closed_port: int) -> None:
    """Starting never hangs; the text names the address, the bound and the reason."""
    since = time.monotonic()
    with pytest.raises(
        UnavailableError, match=rf"kafka at 127.0.0.1:{closed_port} must answer within 1 s, was silent \(.*refused"
    ):
        source_of(spec(f"127.0.0.1:{closed_port}", "records", timeout_s=1)).partitions()
    assert time.monotonic() - since < 4


def test_a_missing_topic_is_told_with_how_to_create_it(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """The operator gets the command."""
    name = unique_name("missing")
    with pytest.raises(
        MissingInputError, match=rf"topic {name} at .* must exist, was missing: create it by `pynomaly topics create"
    ):
        source_of(spec(kafka.bootstrap, name)).partitions()


def test_retention_before_the_start_is_told_with_the_range(kafka: KafkaTopics, topic: str) -> None:
    """A flow that stood still for too long does not skip records in silence."""
    kafka.append(topic, 0, [payload(number) for number in range(10)])
    kafka.delete_records(topic, 0, before=6)
    with pytest.raises(UnavailableError, match=r"offset 2, was 6 to 10: records 2 to 5 were deleted"):
        opened(spec(kafka.bootstrap, topic), LogPosition(2, "").to_bytes())


def test_retention_that_overtakes_a_reader_is_told_with_the_range(kafka: KafkaTopics, topic: str) -> None:
    """The same while reading: with `auto.offset.reset` another client would jump."""
    for number in range(10):
        kafka.append(topic, 0, [payload(number)])  # a produced batch each: a fetch never splits one
    slow = {"fetch.message.max.bytes": "60", "queued.min.messages": "1", "fetch.queue.backoff.ms": "1000"}
    reader = opened(spec(kafka.bootstrap, topic, slow, batch_records=1))
    assert values(reader, lambda found: len(found) >= 1) == [0.0]
    kafka.delete_records(topic, 0, before=9)
    with pytest.raises(UnavailableError, match=r"offset \d, was 9 to 10: records \d to 8 were deleted"):
        values(reader, lambda found: found[-1:] == [9.0])
    reader.close()


class Clock:
    """Real seconds, which a test may move ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + self.ahead_s


@pytest.mark.parametrize(
    ("again", "error", "text"),
    [
        (False, MissingInputError, "must exist, was missing"),
        (True, StateError, r"must stay while it is read \(id .+\), was deleted and created again \(id .+\)"),
    ],
    ids=["deleted", "recreated"],
)
def test_a_topic_replaced_under_a_reader_is_told(
    kafka: KafkaTopics, topic: str, *, again: bool, error: type[Exception], text: str
) -> None:
    """The client itself goes on without a word, with foreign records or none."""
    clock = Clock()
    source = KafkaRecordSource(spec(kafka.bootstrap, topic), json_decoder(RECORDS, "portable"), clock)
    reader = source.open(source.partitions()[0], None, bounded=False)
    kafka.append(topic, 0, [payload(0)])
    assert values(reader, lambda found: len(found) == 1) == [0.0]
    kafka.delete(topic)
    if again:
        kafka.create(topic)
        kafka.append(topic, 0, [payload(number) for number in range(1, 4)])
    clock.ahead_s = EVERY_S
    with pytest.raises(error, match=text):
        values(reader, lambda _found: False)
    reader.close()


@pytest.mark.parametrize(
    ("policy", "error", "text"),
    [
        ("stop", StateError, "must have the 1 partitions .* started with, has 3: .*source.new_partitions: read, or"),
        ("read", InputGrownError, "has 3: open it again to read all of them"),
    ],
)
def test_partitions_added_under_a_reader_are_told(
    kafka: KafkaTopics, topic: str, policy: str, error: type[Exception], text: str
) -> None:
    """Their records would wait for nobody: the flow stops, or opens the topic again, as it says."""
    clock = Clock()
    reads = spec(kafka.bootstrap, topic, new_partitions=policy)
    source = KafkaRecordSource(reads, json_decoder(RECORDS, "portable"), clock)
    reader = source.open(source.partitions()[0], None, bounded=False)
    kafka.grow(topic, 3)
    clock.ahead_s = EVERY_S
    with pytest.raises(error, match=text):
        values(reader, lambda _found: False)
    reader.close()
    assert len(source.partitions()) == 3
    assert source.partitions_may_come == (policy == "read")


def test_partitions_added_under_a_bounded_read_are_of_no_concern(kafka: KafkaTopics, topic: str) -> None:
    """It ends with what the topic held when it began."""
    clock = Clock()
    kafka.append(topic, 0, [payload(number) for number in range(10)])
    source = KafkaRecordSource(spec(kafka.bootstrap, topic, batch_records=1), json_decoder(RECORDS, "portable"), clock)
    reader = source.open(source.partitions()[0], None, bounded=True)
    kafka.grow(topic, 3)

    def later(_found: list[float]) -> bool:
        clock.ahead_s += EVERY_S
        return reader.at_end

    assert values(reader, later) == [*map(float, range(10))]
    reader.close()


def test_starting_at_the_latest_skips_what_is_there(kafka: KafkaTopics, topic: str) -> None:
    """The start is a concrete offset at once: what comes between opening and a crash is not lost."""
    kafka.append(topic, 0, [payload(number) for number in range(3)])
    reader = opened(spec(kafka.bootstrap, topic, start="latest"))
    position = reader.position()
    reader.close()
    kafka.append(topic, 0, [payload(3)])
    again = opened(spec(kafka.bootstrap, topic, start="latest"), position)
    assert values(again, lambda found: len(found) == 1) == [3.0]
    again.close()


def test_a_bounded_read_ends_behind_transaction_markers(kafka: KafkaTopics, topic: str) -> None:
    """Markers take offsets and aborted records are not for us: neither keeps a read from its end."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic}, logger=QUIET)
    producer.init_transactions(20)
    for first, end in (
        (0, producer.commit_transaction),
        (10, producer.abort_transaction),
        (20, producer.commit_transaction),
    ):
        producer.begin_transaction()
        for number in range(first, first + 5):
            producer.produce(topic, payload(number))
        producer.flush(20)
        end(20)
    reader = opened(spec(kafka.bootstrap, topic), bounded=True)
    assert values(reader, lambda _found: reader.at_end) == [*map(float, range(5)), *map(float, range(20, 25))]
    assert LogPosition.from_bytes(reader.position()).offset == 18  # 15 records and 3 markers
    reader.close()


def test_a_bounded_read_that_ends_in_a_hole_leaves_what_comes_later(kafka: KafkaTopics, topic: str) -> None:
    """A batch that lies behind the end as a whole is for the next read: its first record is not passed over."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic}, logger=QUIET)
    producer.init_transactions(20)
    producer.begin_transaction()
    for number in range(5):
        producer.produce(topic, payload(number))
    producer.commit_transaction(20)  # offset 5 is its marker
    reader = opened(spec(kafka.bootstrap, topic, batch_records=5), bounded=True)
    kafka.append(topic, 0, [payload(6), payload(7)])
    assert values(reader, lambda _found: reader.at_end) == [*map(float, range(5))]
    position = reader.position()
    reader.close()
    again = opened(spec(kafka.bootstrap, topic), position, bounded=True)
    assert values(again, lambda _found: again.at_end) == [6.0, 7.0]
    again.close()


def test_a_confirmed_position_is_the_groups_offset(
    kafka: KafkaTopics, topic: str, unique_name: Callable[[str], str]
) -> None:
    """Lag tools see what is durable, no more."""
    group = unique_name("group")
    kafka.append(topic, 0, [payload(number) for number in range(10)])
    reader = opened(spec(kafka.bootstrap, topic, group=group, batch_records=4))
    assert len(values(reader, lambda found: len(found) >= 4)) == 4
    durable = reader.position()
    values(reader, lambda found: len(found) >= 4)
    assert kafka.committed(group, topic, 0) < 0
    reader.confirm(durable)
    until(lambda: reader.poll() is None and kafka.committed(group, topic, 0) == 4, "the group's offset is 4")
    reader.close()


def test_without_a_group_nothing_is_committed(kafka: KafkaTopics, topic: str) -> None:
    """A reader that was given no group leaves no trace in one."""
    kafka.append(topic, 0, [payload(0)])
    reader = opened(spec(kafka.bootstrap, topic), bounded=True)
    values(reader, lambda _found: reader.at_end)
    reader.confirm(reader.position())
    reader.close()
    assert kafka.committed("pynomaly", topic, 0) < 0


def test_a_refused_record_keeps_key_and_headers(kafka: KafkaTopics, topic: str) -> None:
    """The dead letter is the record as the producer wrote it."""
    kafka.append(topic, 0, [b"{broken"], key=b"pump-1", headers=[("trace", b"t1"), ("none", None)])
    kafka.append(topic, 0, [None], key=b"pump-2")
    reader = opened(spec(kafka.bootstrap, topic), bounded=True)
    refused: list[tuple[int, RawRecord]] = []

    def poll() -> bool:
        batch = reader.poll()
        if batch is not None:
            refused.extend((int(batch.refusal[row]), raw) for row, raw in batch.refused().items())
        return reader.at_end

    until(poll, "reading to the end")
    assert refused == [
        (Reason.MALFORMED, RawRecord(b"{broken", b"pump-1", (("trace", b"t1"), ("none", None)))),
        (Reason.NO_PAYLOAD, RawRecord(None, b"pump-2", ())),
    ]
    reader.close()


def test_many_idle_partitions_cost_neither_threads_nor_time(
    kafka: KafkaTopics, unique_name: Callable[[str], str]
) -> None:
    """One handle serves them all: a round of 64 polls is no slower than a handful, and finds the one busy partition."""
    name = unique_name("wide")
    kafka.create(name, 64)
    before = _threads()
    source = source_of(spec(kafka.bootstrap, name))
    readers = [source.open(partition, None, bounded=False) for partition in source.partitions()]
    assert _threads() - before < 20
    kafka.append(name, 17, [payload(number) for number in range(100)])
    rounds: list[float] = []
    found: list[float] = []

    def poll_all() -> bool:
        since = time.perf_counter()
        batches = [reader.poll() for reader in readers]
        rounds.append(time.perf_counter() - since)
        found.extend(value for batch in batches if batch is not None for value in batch.values[:, 0].tolist())
        return len(found) == 100 and len(rounds) > 20

    until(poll_all, "100 records of one of 64 partitions")
    assert found == [float(number) for number in range(100)]
    assert sorted(rounds)[len(rounds) // 2] < 0.05
    for reader in readers:
        reader.close()


def _threads() -> int:
    """Count the threads of this process, librdkafka's included where the system tells."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - not a file of ours
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))
    except FileNotFoundError:
        return threading.active_count()
