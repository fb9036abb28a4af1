"""Notice that a topic was deleted, replaced by another one of its name, or given more partitions while it is read.

librdkafka tells none of it: a deleted topic is silent for ever, a recreated one that has grown past the reader's
offset goes on with foreign records (only the topic id differs), and records in new partitions wait for nobody.

The same questions show whether the brokers answer. Rules:

1. A question is asked every 2 s, every second while the reading client is in trouble, and never waited for.
2. An answer to a question that was asked after the trouble began ends the trouble. Records do not end it: what a
   reader gets may have been fetched long before.
3. A question that has been open for 2 s is an outage even if nobody has lost a connection: a broker may hang, and a
   network may drop packets without a word.
4. The client that asks clings to one broker, and waits for it when it dies. If it has answered before and now takes
   1.5 s, a fresh one asks instead, which takes whoever is there; that one gets the time to connect.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from pynomaly.domain.error import InputGrownError, PynomalyError, StateError
from pynomaly_connectors.kafka.background_admin import BackgroundAdmin
from pynomaly_connectors.kafka.cluster import Topic, recreated, refused_topic
from pynomaly_connectors.kafka.error_code import TOPIC_REFUSED, TOPIC_UNKNOWN
from pynomaly_connectors.kafka.trouble import Clock, Trouble

EVERY_S: Final = 2.0
_EVERY_IN_TROUBLE_S: Final = 1.0
_PATIENCE_S: Final = 2.0
_STALE_S: Final = 1.5
_SETTLING_S: Final = 1.0  # a broker that has just started may not know a topic for a moment
_ASK_S: Final = 10.0


class TopicWatch:
    """Asks for a topic's description now and then, without waiting for the answer; see the rules of the module.

    A topic is gone when it is unknown twice, a second apart.

    Parameters
    ----------
    admin
        Asks the cluster.
    topic
        The topic as it was when reading began.
    trouble
        Of the client that reads the topic.
    clock
        Monotonic seconds.
    bounded
        Whether only what the topic holds now is read: partitions that it is given later are of no concern then.
    reads_new
        Whether such partitions are to be read, else they stop the flow.
    """

    def __init__(
        self,
        admin: BackgroundAdmin,
        topic: Topic,
        trouble: Trouble,
        clock: Clock = time.monotonic,
        *,
        bounded: bool = False,
        reads_new: bool = False,
    ) -> None:
        self._admin = admin
        self._connection = admin.connection
        self._topic = topic
        self._trouble = trouble
        self._clock = clock
        self._bounded = bounded
        self._reads_new = reads_new
        self._silence = f"kafka at {admin.connection.bootstrap} must answer within {_PATIENCE_S:g} s, is silent"
        self._asked_at = clock()
        self._settles_at: float | None = None
        self._unanswered_since: float | None = None
        self._has_answered = False
        self._answer: Future[Any] | None = None

    @property
    def outage(self) -> str | None:
        """What keeps the brokers from answering, in one sentence; None while they do. May be read from any thread."""
        return self._trouble.outage or (self._silence if self._is_silent() else None)

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
        TransientError
            When the brokers have been silent for longer than an outage may last.
        """
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            self._judge(answer)
        elif self._is_stale():
            self._renew_client()
            self._ask()
        elif self._answer is None and self._is_due():
            self._ask()
        if self._trouble.present:
            self._trouble.raise_outage()

    def _is_silent(self) -> bool:
        has_come = self._answer is not None and self._answer.done()
        since = self._unanswered_since
        return since is not None and self._clock() - since >= _PATIENCE_S and not has_come

    def _is_stale(self) -> bool:
        return self._answer is not None and self._has_answered and self._clock() - self._asked_at >= _STALE_S

    def _renew_client(self) -> None:
        self._admin.renew()
        self._has_answered = False

    def _is_due(self) -> bool:
        if self._settles_at is not None:
            return self._clock() >= self._settles_at
        return self._clock() - self._asked_at >= (_EVERY_IN_TROUBLE_S if self._trouble.present else EVERY_S)

    def _ask(self) -> None:
        self._asked_at = self._clock()
        if self._unanswered_since is None:
            self._unanswered_since = self._asked_at
        name = self._topic.name
        topics = TopicCollection([name])
        self._answer = self._admin.ask(lambda client: client.describe_topics(topics, request_timeout=_ASK_S)[name])

    def _is_answered(self) -> None:
        self._has_answered = True
        self._unanswered_since = None
        self._trouble.answered(self._asked_at)

    def _judge(self, answer: Future[Any]) -> None:
        try:
            found = Topic.of(answer.result())
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in TOPIC_UNKNOWN:
                self._judge_unknown(error)
            elif error.code() in TOPIC_REFUSED:
                raise refused_topic(self._connection, self._topic.name, error) from None
            else:
                self._renew_client()  # no answer: how long that may go on is the trouble's to judge
            return
        self._settles_at = None
        self._is_answered()
        if found.id != self._topic.id:
            raise recreated(self._topic.name, self._topic.id, found.id)
        if len(found.partitions) > len(self._topic.partitions) and not self._bounded:
            raise self._grown(len(found.partitions))

    def _judge_unknown(self, error: KafkaError) -> None:
        self._is_answered()
        if self._settles_at is not None:
            raise refused_topic(self._connection, self._topic.name, error) from None
        self._settles_at = self._clock() + _SETTLING_S

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
