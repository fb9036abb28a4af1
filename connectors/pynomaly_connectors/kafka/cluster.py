"""Short questions to a cluster, each answered or refused within the connection's bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import MissingInputError, StateError, UnavailableError
from pynomaly_connectors.kafka.client import connect, connection_settings, refuse_plaintext
from pynomaly_connectors.kafka.error_code import NOT_YET, TOPIC_UNKNOWN
from pynomaly_connectors.kafka.right import check_group, check_topic, missing_right
from pynomaly_connectors.kafka.trouble import Clock, Trouble

AnswerT = TypeVar("AnswerT")

_ASK_S = 1.0  # one attempt; between two of them we look at what the error callback was told
_RETRY_S = 0.05
_SETTLING_S = 1.0  # a topic may be unknown to a broker for a moment, after its creation or the broker's own start
_NO_ID: Final = ("", "AAAAAAAAAAAAAAAAAAAAAA")  # brokers before 2.8 have no topic ids


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the cluster has it.

    Parameters
    ----------
    name
        Its name.
    partitions
        Numbers of its partitions, ascending.
    id
        Kafka's topic id, which changes when a topic is deleted and created again; empty if it has none.
    """

    name: str
    partitions: tuple[int, ...]
    id: str

    @classmethod
    def of(cls, description: Any) -> Topic:
        """Read the client's `TopicDescription`."""
        topic_id = str(description.topic_id)
        partitions = tuple(sorted(partition.id for partition in description.partitions))
        return cls(description.name, partitions, "" if topic_id in _NO_ID else topic_id)


def ask(
    question: Callable[[float], AnswerT],
    trouble: Trouble,
    serve: Callable[[float], object],
    timeout_s: float,
    clock: Clock = time.monotonic,
) -> AnswerT:
    """Repeat a question until it is answered.

    Parameters
    ----------
    question
        Called with the time it may take [s]; raises `KafkaException` when it fails.
    trouble
        What the client's error callback was told.
    serve
        Runs the client's callbacks.
    timeout_s
        How long to go on [s].
    clock
        Monotonic seconds.

    Raises
    ------
    AccessError
        When the cluster refuses us.
    UnavailableError
        When it has not answered in time.
    KafkaException
        When the answer is an error that waiting does not mend.
    """
    start, unknown_since = clock(), None
    while True:
        try:
            return question(min(_ASK_S, timeout_s))
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
        serve(0)
        trouble.raise_refusal()
        now = clock()
        unknown_since = (unknown_since or now) if error.code() in TOPIC_UNKNOWN else None
        settled = unknown_since is not None and now - unknown_since >= _SETTLING_S
        if settled or not (error.retriable() or error.code() in NOT_YET):
            raise KafkaException(error)
        if now - start >= timeout_s:
            raise UnavailableError(trouble.silence(error.str()))
        time.sleep(_RETRY_S)


def find_topic(
    connection: KafkaConnection, name: str, clock: Clock = time.monotonic, *, group: str | None = None
) -> Topic:
    """Check that the cluster answers us, has the topic, and lets us do there what the connection is for.

    Parameters
    ----------
    connection
        The cluster; a source needs the right to read, a sink to write.
    name
        The topic.
    clock
        Monotonic seconds.
    group
        Consumer group that offsets will be committed to, if any.

    Raises
    ------
    ConfigError
        When the brokers send us in plaintext to other machines, and the connection does not allow it.
    MissingInputError
        When there is no such topic.
    AccessError
        When the cluster refuses us, or a right is missing.
    UnavailableError
        When it is silent.
    """
    trouble = Trouble(connection, clock)
    admin = connect(AdminClient, connection_settings(connection) | {"error_cb": trouble.report})

    def describe(seconds: float) -> Any:
        topics, options = TopicCollection([name]), {"include_authorized_operations": True}
        return admin.describe_topics(topics, request_timeout=seconds, **options)[name].result()

    try:
        description = ask(describe, trouble, admin.poll, connection.timeout_s, clock)
    except KafkaException as failure:
        raise refused_topic(connection, name, failure.args[0]) from None
    check_hosts(connection, description)
    check_topic(connection, name, description.authorized_operations)
    if group is not None:
        check_group(connection, group, admin)
    return Topic.of(description)


def check_hosts(connection: KafkaConnection, description: Any) -> None:
    """Look where the brokers say that they are: a list on this machine may lead to brokers on others.

    One that is down right now is known by its number only.
    """
    replicas = (node.host for partition in description.partitions for node in partition.replicas)
    refuse_plaintext(connection, filter(None, replicas))


def recreated(name: str, old: str, new: str) -> StateError:
    """Say that another topic has taken the name of the one that is read."""
    return StateError(
        f"topic {name} must stay while it is read (id {old}), was deleted and created again (id {new}); "
        "start over with --reset-state"
    )


def refused_topic(connection: KafkaConnection, name: str, error: KafkaError) -> UnavailableError:
    """Say why a topic cannot be used."""
    where = f"topic {name} at {connection.bootstrap}"
    if error.code() in TOPIC_UNKNOWN:
        return MissingInputError(
            f"{where} must exist, was missing: create it by `pynomaly topics create FLOW`, with --input if the flow "
            "reads it"
        )
    return missing_right(connection, name, error)
