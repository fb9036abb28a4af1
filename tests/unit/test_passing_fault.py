"""Runs of fetches that fail: waited out, told once, and not for ever."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import TransientError
from pynomaly_connectors.kafka.passing_fault import PassingFaults

_SOURCE = KafkaSource(kind="kafka", bootstrap="broker:9092", topic="readings", outage_s=10)
_FAULT = KafkaError(KafkaError.REQUEST_TIMED_OUT)


class _Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_run_that_lasts_stops_the_reader(caplog: pytest.LogCaptureFixture) -> None:
    """The first fault is logged, the bound is that of an outage, and the text says where and what."""
    clock = _Clock()
    faults = PassingFaults(_SOURCE, clock)
    with caplog.at_level(logging.WARNING):
        for clock.now in (0.0, 3.0, 6.0, 9.9):
            faults.add(2, _FAULT)
    assert [record.getMessage() for record in caplog.records] == ["kafka_fetch_failed"]
    clock.now = 10.0
    with pytest.raises(TransientError, match=r"readings\[2\] at broker:9092 must be readable within 10 s, .*TIMED_OUT"):
        faults.add(2, _FAULT)


def test_records_end_a_run() -> None:
    """A partition that gives records now and then goes on."""
    clock = _Clock()
    faults = PassingFaults(_SOURCE, clock)
    for clock.now in range(0, 100, 4):
        faults.add(0, _FAULT)
        if clock.now % 8 == 0:
            faults.clear(0)


def test_quiet_ends_a_run() -> None:
    """A fault in an hour is no run of faults, though an idle partition has no records to end it."""
    clock = _Clock()
    faults = PassingFaults(_SOURCE, clock)
    for clock.now in range(0, 36_000, 3_600):
        faults.add(0, _FAULT)
