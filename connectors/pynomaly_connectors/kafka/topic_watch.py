"""Notice that a topic was deleted, replaced by another one of its name, or given more partitions while it is read.

librdkafka tells none of it: a deleted topic is silent for ever, a recreated one that has grown past the reader's
offset goes on with foreign records (only the topic id differs), and records in new partitions wait for nobody.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import InputGrownError, PynomalyError, StateError
from pynomaly_connectors.kafka.background_admin import BackgroundAdmin
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
    admin
        Asks the cluster.
    clock
        Monotonic seconds.
    bounded
        Whether only what the topic holds now is read: partitions that it is given later are of no concern then.
    reads_new
        Whether such partitions are to be read, else they stop the flow.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: Topic,
        admin: BackgroundAdmin,
        clock: Clock = time.monotonic,
        *,
        bounded: bool = False,
        reads_new: bool = False,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._admin = admin
        self._clock = clock
        self._bounded = bounded
        self._reads_new = reads_new
        self._due_at = clock() + EVERY_S
        self._was_unknown = False
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
            When another topic has taken its name, or it has more partitions than are read.
        InputGrownError
            When it has more partitions, and they are to be read.
        """
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            self._judge(answer)
        elif self._answer is None and self._clock() >= self._due_at:
            self._due_at = self._clock() + EVERY_S
            name = self._topic.name
            topics = TopicCollection([name])
            self._answer = self._admin.ask(
                lambda client: client.describe_topics(topics, request_timeout=_ASK_S)[name],
            )

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
            raise self._grown(len(found.partitions))

    def _judge_unknown(self, error: KafkaError) -> None:
        if self._was_unknown:
            raise refused_topic(self._connection, self._topic.name, error) from None
        self._was_unknown = True
        self._due_at = self._clock() + _SETTLING_S

    def _grown(self, partitions: int) -> PynomalyError:
        grown = (
            f"topic {self._topic.name} must have the {len(self._topic.partitions)} partitions that the flow was "
            f"started with, has {partitions}"
        )
        if self._reads_new:
            return InputGrownError(f"{grown}: open it again to read all of them")
        return StateError(
            f"{grown}: series whose key now falls into another partition would begin anew; let the flow go on with "
            "source.new_partitions: read, or start over with --reset-state"
        )
