"""The benchmark's input: a topic of small JSON records, and the broker it lives in."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from brokers.apache_kafka import ApacheKafka
from brokers.kafka_topics import KafkaTopics

SERIES = 10_000
PARTITIONS = 4
_SEED = 57
_FIRST_MS = 1_700_000_000_000
_SPIKE_SHARE = 1e-4
_CHUNK = 100_000


@contextmanager
def kafka() -> Generator[KafkaTopics]:
    """Connect to the cluster at KAFKA_BOOTSTRAP, or start a broker for the block."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield KafkaTopics(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        broker = ApacheKafka(Path(folder))
        broker.start()
        try:
            yield KafkaTopics(broker.bootstrap)
        finally:
            broker.kill()


def new_topic(topics: KafkaTopics, what: str, partitions: int = PARTITIONS) -> str:
    """Create a topic that no other run uses."""
    name = f"benchmark-{what}-{uuid.uuid4().hex[:8]}"
    topics.create(name, partitions)
    return name


def fill(topics: KafkaTopics, topic: str, records: int, series_count: int = SERIES) -> None:
    """Write records of 57 bytes, keyed, a series always to the same partition, one record in 10,000 a spike.

    With other numbers of series than 10,000 they come in turns, each as often as every other.
    """
    random = np.random.default_rng(_SEED)
    producer = Producer(
        {"bootstrap.servers": topics.bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 2 * _CHUNK}
    )
    for first in range(0, records, _CHUNK):
        n = min(_CHUNK, records - first)
        at_random = series_count == SERIES
        series = random.integers(0, SERIES, n) if at_random else np.arange(first, first + n) % series_count
        values = random.normal(50.0, 5.0, n) + 40.0 * (random.random(n) < _SPIKE_SHARE)
        for at, number, value in zip(range(first, first + n), series.tolist(), values.tolist(), strict=True):
            record = f'{{"ts":{_FIRST_MS + at},"series":"host-{number:05d}","value":{value:.4f}}}'
            producer.produce(topic, record, b"host-%05d" % number, partition=number % PARTITIONS)
            producer.poll(0)
        producer.flush()
