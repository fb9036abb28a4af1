"""Notice that a topic was deleted, replaced by another one of its name, or given more partitions while it is read.

librdkafka tells none of it: a deleted topic is silent for ever, a recreated one that has grown past the reader's
offset goes on with foreign records (only the topic id differs), and records in new partitions wait for nobody.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import StateError, TransientError
from pynomaly_connectors.kafka.client import connect, connection_settings
from pynomaly_connectors.kafka.cluster import Topic, refused_topic
from pynomaly_connectors.kafka.error_code import TOPIC_REFUSED, TOPIC_UNKNOWN
from pynomaly_connectors.kafka.trouble import Clock

EVERY_S: Final = 5.0
_SETTLING_S: Final = 1.0  # a broker that has just started may not know a topic for a moment
_ASK_S: Final = 10.0


class TopicWatch:
    """Asks for a topic's description every 5 s, without waiting for the answer.

    A topic is gone when it is unknown twice, a second apart.

    Parameters
    ----------
    connection
        The cluster.
    topic
        The topic as it was when reading began.
    clock
        Monotonic seconds.
    bounded
        Whether only what the topic holds now is read: partitions that it is given later are of no concern then.
    """

    def __init__(
        self, connection: KafkaConnection, topic: Topic, clock: Clock = time.monotonic, *, bounded: bool = False
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._clock = clock
        self._bounded = bounded
        self._due_at = clock() + EVERY_S
        self._was_unknown = False
        self._admin: AdminClient | None = None
        self._answer: Future[Any] | None = None

    def look(self) -> None:
        """Ask if it is time, and judge an answer that has come; never blocks.

        Raises
        ------
        MissingInputError
            When the topic is gone.
        AccessError
            When it is no longer open to us.
        StateError
            When another topic has taken its name.
        TransientError
            When it has more partitions than are read.
        """
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            self._judge(answer)
        elif self._answer is None and self._clock() >= self._due_at:
            self._due_at = self._clock() + EVERY_S
            self._admin = self._admin or connect(AdminClient, connection_settings(self._connection))
            name = self._topic.name
            self._answer = self._admin.describe_topics(TopicCollection([name]), request_timeout=_ASK_S)[name]

    def _judge(self, answer: Future[Any]) -> None:
        try:
            found = Topic.of(answer.result())
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in TOPIC_UNKNOWN:
                self._judge_unknown(error)
            elif error.code() in TOPIC_REFUSED:
                raise refused_topic(self._connection, self._topic.name, error) from None
            return  # an outage is not ours to judge
        self._was_unknown = False
        if found.id != self._topic.id:
            raise StateError(
                f"topic {self._topic.name} must stay while it is read (id {self._topic.id}), was deleted and created "
                f"again (id {found.id}); start over with --reset-state"
            )
        if len(found.partitions) > len(self._topic.partitions) and not self._bounded:
            raise TransientError(
                f"topic {found.name} must have the {len(self._topic.partitions)} partitions that the flow was started "
                f"with, has {len(found.partitions)}: start the flow again, which reads the new ones from their "
                "beginning; series whose key now falls into another partition begin anew"
            )

    def _judge_unknown(self, error: KafkaError) -> None:
        if self._was_unknown:
            raise refused_topic(self._connection, self._topic.name, error) from None
        self._was_unknown = True
        self._due_at = self._clock() + _SETTLING_S
