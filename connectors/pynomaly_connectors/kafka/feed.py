"""What a reader of partitions needs of a consumer, and what errors among the messages mean.

Two implementations: `PortableFeed` on `confluent_kafka.Consumer`, `NativeFeed` on librdkafka's batch call.
"""

from __future__ import annotations

import logging
from typing import Protocol

from confluent_kafka import KafkaError

from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import PynomalyError, TransientError
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.kafka.cluster import refused_topic
from pynomaly_connectors.kafka.error_code import GROUP_REFUSED, TOPIC_REFUSED, TOPIC_UNKNOWN
from pynomaly_connectors.kafka.loss_forecast import Retention

_log = logging.getLogger(__name__)


class OffsetOutOfRangeError(Exception):
    """The broker does not have the offset that a partition wanted, which is silent until it is added anew."""

    def __init__(self, partition: int, offset: int) -> None:
        self.partition = partition
        self.offset = offset
        super().__init__(f"[{partition}] at {offset}")


class Feed(Protocol):
    """The partitions of one topic that this process reads.

    Every method may be called from any thread, but `close` only when nobody reads any more.
    """

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering, in one sentence; None while they do."""
        ...

    def watermarks(self, partition: int) -> tuple[int, int]:
        """Ask the broker for the first offset that it holds and the one after the last.

        Raises
        ------
        UnavailableError
            When it does not answer within the connection's bound.
        """
        ...

    def known_watermarks(self, partition: int) -> tuple[int, int] | None:
        """Return what `watermarks` asks for as the last fetch told it, None before the first one; never blocks."""
        ...

    def retention(self) -> Retention:
        """Return what makes the topic delete records, as far as it is known by now; never blocks."""
        ...

    def add(self, partition: int, offset: int) -> None:
        """Begin to read a partition at an offset."""
        ...

    def remove(self, partition: int) -> None:
        """Stop reading a partition and drop what waits for it; may be called twice."""
        ...

    def take(self, partition: int) -> RawBatch | None:
        """Return the next records of a partition, or None if there are none right now.

        Raises
        ------
        OffsetOutOfRangeError
            When the broker no longer has the partition's next offset.
        UnavailableError
            When the topic is gone or no longer open to us.
        StateError
            When another topic has taken its name, or the topic has more partitions than when reading began.
        InputGrownError
            When it has, and the flow reads new partitions.
        TransientError
            When the brokers have been silent for longer than an outage may last.
        """
        ...

    def end(self, partition: int) -> int:
        """Return the offset at which the broker last said that nothing follows; holes at the end are behind it."""
        ...

    def commit(self, partition: int, offset: int) -> None:
        """Send a group offset on its way, if the flow has a group; a failure is logged and nothing else."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def check_fault(source: KafkaSource, error: KafkaError, *, of_the_topic: bool) -> None:
    """Raise what an error among the messages means, unless reading can go on.

    Parameters
    ----------
    source
        What is read.
    error
        Neither the end of a partition nor an offset that is gone: these are about a place.
    of_the_topic
        Whether the error is about the topic; else it comes from the group's coordinator, which only commits need.
    """
    if error.code() == GROUP_REFUSED or not of_the_topic:
        if source.group is not None:
            _log.warning("kafka_group_refused", extra={"group": source.group, "error": error.str()})
    elif error.code() not in TOPIC_UNKNOWN:  # a broker that has just started may not know it yet: the watch judges
        raise _failure(source, error)


def _failure(source: KafkaSource, error: KafkaError) -> PynomalyError:
    if error.code() in TOPIC_REFUSED:
        return refused_topic(source, source.topic, error)
    return TransientError(
        f"topic {source.topic} at {source.bootstrap} must be readable, failed: "
        f"{error.name()}: {error.str()}; a restart resumes where the last checkpoint stands"
    )


def tell_failed_commit(source: KafkaSource, place: str, error: KafkaError) -> None:
    """Log that a group offset was not taken: tools that show lag see an older one."""
    _log.warning("kafka_commit_failed", extra={"group": source.group, "at": place, "error": error.str()})
