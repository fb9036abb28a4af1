"""Errors of fetches that pass by themselves, and how long a partition has had nothing else.

librdkafka repeats a fetch that failed, and tells of the failure all the same. Rules:

1. A fault is waited out; the first one of a partition is logged.
2. Records of the partition end its run of faults. So does quiet for as long as an outage may last: an idle partition
   has no records by which to tell that it works.
3. A run that lasts for as long stops the reader.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import TransientError
from pynomaly_connectors.kafka.trouble import Clock

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    since_s: float
    last_s: float


class PassingFaults:
    """The runs of faults of one topic's partitions.

    Parameters
    ----------
    source
        What is read; its ``outage_s`` is the bound.
    clock
        Monotonic seconds.
    """

    def __init__(self, source: KafkaSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._runs: dict[int, _Run] = {}

    def add(self, partition: int, error: KafkaError) -> None:
        """Take note of a fault.

        Raises
        ------
        TransientError
            When its run has lasted for the bound.
        """
        now = self._clock()
        run = self._runs.get(partition)
        if run is None or now - run.last_s > self._source.outage_s:
            facts = {"topic": self._source.topic, "partition": partition, "error": error.name()}
            _log.warning("kafka_fetch_failed", extra=facts)
            self._runs[partition] = _Run(now, now)
            return
        run.last_s = now
        if now - run.since_s >= self._source.outage_s:
            raise TransientError(
                f"{self._source.topic}[{partition}] at {self._source.bootstrap} must be readable within "
                f"{self._source.outage_s:g} s, failed again and again: {error.name()}: {error.str()}; look at the "
                "brokers; a restart resumes where the last checkpoint stands"
            )

    def clear(self, partition: int) -> None:
        """Take note of records."""
        self._runs.pop(partition, None)
