"""Sensor readings for the end-to-end tests: noise and a mild season for each series, with spikes at known places."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Final, NamedTuple, Self

import numpy as np
from confluent_kafka import KafkaError, Message, Producer

from brokers.kafka_topics import QUIET

FIRST_MS: Final = 1_700_000_000_000
STEP_MS: Final = 1_000
_SEASON_STEPS: Final = 96
_SEASON_HEIGHT: Final = 0.5  # in standard deviations of the noise
_LEAST_SPIKE, _HIGHEST_SPIKE = 9.0, 20.0  # the season may take half a deviation away: 8 are left in any case
_DELIVERED_WITHIN_S: Final = 60.0

Place = tuple[int, int]
"""Step and number of a series."""


class Record(NamedTuple):
    """One record on its way to a topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """A reading of each series at each step; equal traffic gives equal records.

    Parameters
    ----------
    series
        Number of series.
    steps
        Readings of each series.
    partitions
        A series stays in the one that its number names.
    spikes
        Where a reading is at least 8 standard deviations off.
    seed
        Of the noise.
    """

    series: int
    steps: int
    partitions: int
    spikes: frozenset[Place] = frozenset()
    seed: int = 7

    @classmethod
    def spiky(cls, series: int, steps: int, partitions: int) -> Traffic:
        """Return readings of which one in 1,000 is a spike."""
        return cls(series, steps, partitions, spread(steps * series // 1_000, range(steps), series))

    def __len__(self) -> int:
        return self.series * self.steps

    def records(self) -> Iterator[Record]:
        """Make the records in the order of their times."""
        random = np.random.default_rng(self.seed)
        level = random.uniform(20.0, 80.0, self.series)
        deviation = random.uniform(0.5, 3.0, self.series)
        phase = random.uniform(0.0, 2 * np.pi, self.series)
        for step in range(self.steps):
            season = _SEASON_HEIGHT * np.sin(2 * np.pi * step / _SEASON_STEPS + phase)
            off = random.normal(season, 1.0)
            sign, height = random.choice((-1.0, 1.0), self.series), random.uniform(_LEAST_SPIKE, _HIGHEST_SPIKE)
            for number in self._spiked(step):
                off[number] = season[number] + sign[number] * height
            for number, value in enumerate((level + deviation * off).tolist()):
                yield self._record(step, number, value)

    def _spiked(self, step: int) -> list[int]:
        return [number for number in range(self.series) if (step, number) in self.spikes] if self.spikes else []

    def _record(self, step: int, number: int, value: float) -> Record:
        name = series_name(number)
        payload = f'{{"ts":{time_ms(step, number)},"series":"{name}","value":{value:.4f}}}'
        return Record(number % self.partitions, name.encode(), payload.encode())


def series_name(number: int) -> str:
    """Name a series."""
    return f"sensor-{number:04d}"


def time_ms(step: int, number: int) -> int:
    """Return the event time of a reading: series follow one another within a step [epoch ms]."""
    return FIRST_MS + STEP_MS * step + number


def spread(count: int, steps: range, series: int, seed: int = 3) -> frozenset[Place]:
    """Choose that many places at random."""
    chosen = np.random.default_rng(seed).choice(len(steps) * series, count, replace=False)
    return frozenset((steps[int(place) // series], int(place) % series) for place in chosen)


def one_each(count: int, steps: range, series: int, seed: int = 3) -> frozenset[Place]:
    """Choose that many series at random, and a step for each."""
    random = np.random.default_rng(seed)
    numbers = random.choice(series, count, replace=False).tolist()
    return frozenset(zip(random.choice(steps, count).tolist(), numbers, strict=True))


def send(bootstrap: str, topic: str, records: Iterable[Record]) -> int:
    """Append records as fast as the broker takes them; return how many when all are stored."""
    sender = _Sender(bootstrap, topic)
    count = sum(1 for record in records if sender.send(record))
    sender.finish()
    return count


class PacedSender(Thread):
    """Appends records at a steady rate until it is told to stop, or for the length of a ``with`` block.

    Parameters
    ----------
    bootstrap, topic
        Where to.
    records
        What.
    per_second
        How many each second.
    """

    def __init__(self, bootstrap: str, topic: str, records: Iterable[Record], per_second: int) -> None:
        super().__init__(name="paced-sender", daemon=True)
        self._sender = _Sender(bootstrap, topic)
        self._records = iter(records)
        self._per_second = per_second
        self._stopped = Event()
        self.sent = 0

    def run(self) -> None:
        """Send what is due, twenty times a second."""
        since = time.monotonic()
        for record in self._records:
            while self.sent >= (time.monotonic() - since) * self._per_second:
                if self._stopped.wait(0.05):
                    return
            self._sender.send(record)
            self.sent += 1

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop sending."""
        self.stop()

    def stop(self) -> int:
        """Stop sending; return how many records the topic has got."""
        assert self.is_alive(), f"must last as long as the test, had no more than {self.sent} records"
        self._stopped.set()
        self.join(_DELIVERED_WITHIN_S)
        self._sender.finish()
        return self.sent


@dataclass(slots=True)
class _Sender:
    bootstrap: str
    topic: str
    failures: list[KafkaError] = field(default_factory=list[KafkaError])
    producer: Any = None

    def __post_init__(self) -> None:
        settings = {"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 5}
        self.producer = Producer(settings, logger=QUIET)

    def send(self, record: Record) -> bool:
        while True:
            try:
                self.producer.produce(
                    self.topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=self._delivered,
                    headers=record.headers or [],
                )
            except BufferError:
                self.producer.poll(0.1)
            else:
                self.producer.poll(0)
                return True

    def finish(self) -> None:
        assert self.producer.flush(_DELIVERED_WITHIN_S) == 0
        assert not self.failures

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failures.append(error)
