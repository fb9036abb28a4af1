"""What a feed knows of its topic beside the records: that brokers answer, that it is the same, and what it deletes."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaException

from pynomaly.application.spec.source import KafkaSource
from pynomaly_connectors.kafka.background_admin import BackgroundAdmin
from pynomaly_connectors.kafka.cluster import Topic, ask, refused_topic
from pynomaly_connectors.kafka.loss_forecast import Retention
from pynomaly_connectors.kafka.topic_retention import TopicRetention
from pynomaly_connectors.kafka.topic_watch import TopicWatch
from pynomaly_connectors.kafka.trouble import Clock, Trouble


class TopicSide:
    """The side of a topic that no record tells of; the feed calls it from one thread at a time.

    Parameters
    ----------
    source
        How to read the topic.
    topic
        The topic as it is now.
    clock
        Monotonic seconds.
    bounded
        Whether all partitions are read to a known end; see `TopicWatch`.
    """

    def __init__(self, source: KafkaSource, topic: Topic, clock: Clock, *, bounded: bool) -> None:
        self._source = source
        self._clock = clock
        self.trouble = Trouble(source, clock, outage_s=source.outage_s)
        """Told by the feed's client of its connections."""
        self._admin = BackgroundAdmin(source)
        reads_new = source.new_partitions == "read"
        self._watch = TopicWatch(self._admin, topic, self.trouble, clock, bounded=bounded, reads_new=reads_new)
        self._retention = TopicRetention(topic.name, self._admin, clock)

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering; any thread may ask."""
        return self._watch.outage

    def look(self) -> None:
        """Look now and then whether the topic is the same and the brokers answer; raises as `TopicWatch.look`."""
        self._watch.look()

    def retention(self) -> Retention:
        """Return what makes the topic delete records, as far as it is known by now; never blocks."""
        return self._retention.look()

    def watermarks(
        self, question: Callable[[float], tuple[int, int]], serve: Callable[[float], None]
    ) -> tuple[int, int]:
        """Ask a broker for the ends of a partition by a call of the feed's client, which ``serve`` keeps going.

        Raises
        ------
        UnavailableError
            When it does not answer within the connection's bound, or the topic is closed to us.
        """
        try:
            return ask(question, self.trouble, serve, self._source.timeout_s, self._clock)
        except KafkaException as failure:
            raise refused_topic(self._source, self._source.topic, failure.args[0]) from None

    def close(self) -> None:
        """Let go of the connection for such questions."""
        self._admin.close()
