"""A flow that falls behind a real topic's retention is told how much time is left."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from brokers.kafka_topics import KafkaTopics, until
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import LosesRecords, PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.background_admin import BackgroundAdmin
from pynomaly_connectors.kafka.source import KafkaRecordSource

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_reader")]
HOUR_S = 3_600.0


class Clock:
    """Real seconds, which a test may move ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + self.ahead_s


def reader_of(kafka: KafkaTopics, topic: str, clock: Clock) -> PartitionReader:
    """Open a reader that takes one record at a time."""
    spec = KafkaSource(kind="kafka", bootstrap=kafka.bootstrap, topic=topic, timeout_s=10, batch_records=1)
    return KafkaRecordSource(spec, json_decoder(RECORDS, "portable"), clock).open(f"{topic}:0", None, bounded=False)


def left_s(reader: PartitionReader) -> float:
    """Return the forecast."""
    assert isinstance(reader, LosesRecords)
    return reader.lost_in_s


def read_one(reader: PartitionReader) -> None:
    """Wait for the next record."""
    until(lambda: reader.poll() is not None, "a record is read")


def test_the_age_of_unread_records_is_held_against_the_topic(
    kafka: KafkaTopics, unique_name: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Each record is a minute older than the one before, and read ten seconds after it: an hour is over soon."""
    topic, clock = unique_name("hour"), Clock()
    kafka.create(topic, retention_ms=str(round(HOUR_S * 1000)))
    now_ms = time.time_ns() // 1_000_000
    for number in range(40):
        kafka.append(topic, 0, [payload(number)], timestamp=now_ms - 60_000 * (10 + number))
    reader = reader_of(kafka, topic, clock)
    caplog.set_level(logging.WARNING)
    age_min = 9
    while left_s(reader) == math.inf and age_min < 40:
        clock.ahead_s += 10.0
        read_one(reader)
        age_min += 1
        time.sleep(0.01)  # the answer about the settings comes between two records
    # A minute older for every ten seconds.
    assert left_s(reader) == pytest.approx((60 - age_min) * 10, rel=0.1)
    assert "kafka_records_will_be_lost" in {record.message for record in caplog.records}
    for _ in range(49 - age_min):
        read_one(reader)
    clock.ahead_s += 10.0
    until(lambda: reader.poll() is None and left_s(reader) == math.inf, "the reader has caught up")
    reader.close()


def test_the_lag_is_held_against_what_a_full_topic_keeps(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """The log was cut to 90 records; a reader of one record in ten seconds, where three come, is 30 behind."""
    topic, clock = unique_name("full"), Clock()
    kafka.create(topic, retention_ms="-1", retention_bytes="1000000000")
    kafka.append(topic, 0, map(payload, range(100)))
    kafka.delete_records(topic, 0, before=10)
    reader = reader_of(kafka, topic, clock)
    for _ in range(60):
        read_one(reader)
    ticks = 0
    while left_s(reader) == math.inf and ticks < 20:
        ticks += 1
        clock.ahead_s += 10.0
        kafka.append(topic, 0, map(payload, range(3)))
        read_one(reader)
    # At two records more in ten seconds five minutes are left at the most; how many, depends on how late the fetches
    # are that tell of the end. The arithmetic has its tests with a clock of their own.
    assert left_s(reader) < HOUR_S / 4
    reader.close()


def test_one_client_asks_all_questions_and_goes_with_the_last(kafka: KafkaTopics) -> None:
    """White box: an idle client is empty, and so false; a new one for each question would drop the answers before."""
    admin = BackgroundAdmin(KafkaSource(kind="kafka", bootstrap=kafka.bootstrap, topic="any"))
    resource = ConfigResource(ResourceType.BROKER, "1")
    answers = [admin.ask(lambda client: client.describe_configs([resource])[resource]) for _ in range(20)]
    assert all("log.dirs" in answer.result(20.0) for answer in answers)
    late = admin.ask(lambda client: client.describe_configs([resource])[resource])
    admin.close()
    assert late.done()
    admin.close()
