"""Recomputes from topics and files what must be true of a flow; never asks the program.

Everything here is written against Kafka, the CloudEvents specification and the documented form of the outcomes, and
imports nothing of the product.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from brokers.kafka_topics import QUIET

_ANSWER_S: Final = 20.0
_SILENCES: Final = 200  # polls of 0.1 s without any message
ANOMALY: Final = "io.pynomaly.anomaly.detected.v1"
REFITTED: Final = "io.pynomaly.model.refitted.v1"

Offset = tuple[int, int]
"""Partition and offset of a record."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it stands in a topic: all that a consumer sees but the place and the moment of the broker."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def id(self) -> str:
        """The id by which a consumer recognises a repeat."""
        return self.header("ce_id")

    @property
    def data(self) -> dict[str, Any]:
        """The value, which is a JSON object."""
        data: dict[str, Any] = orjson.loads(self.value or b"")
        return data

    @property
    def cause(self) -> Offset:
        """The record that the event is about."""
        stream = self.data["stream"]
        return stream["partition"], stream["offset"]

    def header(self, name: str) -> str:
        """Return the last header of a name."""
        return (dict(self.headers)[name] or b"").decode()


def read_topic(bootstrap: str, topic: str) -> Iterator[Message]:
    """Read everything that a topic holds, partition by partition, in the order of its offsets."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "verifier",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    }
    consumer = Consumer(settings, logger=QUIET)
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions)
        for partition in partitions:
            yield from _read_partition(consumer, topic, partition)
    finally:
        consumer.close()


def _read_partition(consumer: Consumer, topic: str, partition: int) -> Iterator[Message]:
    consumer.assign([TopicPartition(topic, partition, 0)])
    silences = 0
    while silences < _SILENCES:
        messages = consumer.consume(10_000, 0.1)
        silences = 0 if messages else silences + 1
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise KafkaException(error)
    raise AssertionError(f"{topic}[{partition}] must be readable to its end")


def offsets(bootstrap: str, topic: str) -> set[Offset]:
    """Return where the records of a topic stand."""
    return {(message.partition() or 0, message.offset() or 0) for message in read_topic(bootstrap, topic)}


def stored(bootstrap: str, topic: str) -> list[Stored]:
    """Return the messages of a topic."""
    return [
        Stored(message.key(), message.value(), tuple(message.headers() or ()))
        for message in read_topic(bootstrap, topic)
    ]


def without_repeats(messages: Iterable[Stored]) -> dict[str, Stored]:
    """Keep the first message of each id, as a consumer does; fail where a later one is not the same bytes."""
    first: dict[str, Stored] = {}
    for message in messages:
        kept = first.setdefault(message.id, message)
        assert kept == message, f"a repeat of {message.id} must be the same bytes"
    return first


def order_by_key(messages: Iterable[Stored]) -> dict[bytes | None, list[str]]:
    """Return the ids of each key in the order of the topic, repeats left out."""
    order: dict[bytes | None, dict[str, None]] = {}
    for message in messages:
        order.setdefault(message.key, {})[message.id] = None
    return {key: list(ids) for key, ids in order.items()}


def as_cloud_event(message: Stored) -> BaseCloudEvent:
    """Read a message by the CloudEvents library, which raises where the specification is broken."""
    headers = {name: value or b"" for name, value in message.headers}
    assert len(headers) == len(message.headers), "an attribute must be given once"
    event = from_binary(KafkaMessage(headers, message.key, message.value or b""), JSONFormat(), CloudEvent)
    assert event.get_specversion() == "1.0"
    return event


def structured(message: Stored) -> dict[str, Any]:
    """Return a message in the JSON format of the CloudEvents specification (section 3), as a file holds it."""
    attributes = {name[3:]: (value or b"").decode() for name, value in message.headers if name.startswith("ce_")}
    return {**attributes, "datacontenttype": message.header("content-type"), "data": message.data}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of JSON lines."""
    with path.open("rb") as file:
        for line in file:
            assert line.endswith(b"\n"), "a line must be whole"
            yield orjson.loads(line)


def lines_by_partition(path: Path) -> dict[int, list[bytes]]:
    """Return the lines of an outcomes file for each input partition, in their order."""
    found: dict[int, list[bytes]] = {}
    with path.open("rb") as file:
        for line in file:
            found.setdefault(orjson.loads(line)["partition"], []).append(line)
    return found


def assert_one_outcome_each(outcomes: Iterable[dict[str, Any]], offsets: Iterable[Offset]) -> None:
    """Fail unless the outcomes are those of exactly these records, one for each."""
    counted = Counter(places(outcomes))
    twice = [place for place, count in counted.items() if count > 1]
    assert not twice, f"records with several outcomes: {twice[:5]}"
    expected = set(offsets)
    missing, foreign = expected - counted.keys(), counted.keys() - expected
    assert not missing, f"records without outcome: {sorted(missing)[:5]}"
    assert not foreign, f"outcomes without record: {sorted(foreign)[:5]}"


@dataclass(frozen=True, slots=True)
class Toll:
    """What faults have cost a flow, counted and not asserted.

    Parameters
    ----------
    lost
        Records without an outcome, and events of an uninterrupted run that this one has not.
    repeated
        Outcomes beyond the first of a record, and events beyond the first of an id.
    """

    lost: int
    repeated: int


def toll(
    judged: Iterable[Offset], records: Iterable[Offset], found: Iterable[str] = (), expected: Iterable[str] = ()
) -> Toll:
    """Count what is missing and what is there more than once.

    Parameters
    ----------
    judged, records
        Where records stand that have an outcome, once for each outcome; and all that the input held.
    found, expected
        Ids of events, of the flow and of an uninterrupted run.
    """
    outcomes, events = Counter(judged), Counter(found)
    lost = len(set(records) - outcomes.keys()) + len(set(expected) - events.keys())
    return Toll(lost, sum(outcomes.values()) - len(outcomes) + sum(events.values()) - len(events))


def places(outcomes: Iterable[dict[str, Any]]) -> Iterator[Offset]:
    """Return where the records of outcomes stand."""
    return ((outcome["partition"], outcome["offset"]) for outcome in outcomes)


def durable_epoch(state: Path) -> tuple[int, int] | None:
    """Return the start and the epoch that a state folder would resume at by now; None before the first epoch.

    Reads Bytewax's store as another process may: read only. `exs` has a row for each start, `fronts` the epoch up to
    which it is durable.
    """
    store = state / "recovery" / "part-0.sqlite3"
    if not store.exists():
        return None
    query = "SELECT ex_num, worker_frontier FROM fronts ORDER BY ex_num DESC LIMIT 1"
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            row = connection.execute(query).fetchone()
    except sqlite3.OperationalError:
        return None  # not yet a database, or busy: the next look will tell
    return None if row is None else (row[0], row[1])
