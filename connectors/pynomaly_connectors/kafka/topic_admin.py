"""The topics of a Kafka cluster: looked at, and made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage] # documented there, as are the next two
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from pynomaly.application.spec.source import KafkaConnection
from pynomaly.application.topics import FoundTopic, TopicWish
from pynomaly.domain.error import ConfigError, Problem, UnavailableError
from pynomaly_connectors.kafka.client import connect, connection_settings
from pynomaly_connectors.kafka.cluster import ask
from pynomaly_connectors.kafka.error_code import TOPIC_UNKNOWN
from pynomaly_connectors.kafka.trouble import Clock, Trouble

AnswerT = TypeVar("AnswerT")

_REFUSED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_IMPOSSIBLE: Final = frozenset(
    {
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
    }
)


class KafkaTopicAdmin:
    """One cluster.

    Parameters
    ----------
    connection
        How to reach it.
    clock
        Monotonic seconds.
    """

    def __init__(self, connection: KafkaConnection, clock: Clock = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._trouble = Trouble(connection, clock)
        self._admin = connect(AdminClient, connection_settings(connection) | {"error_cb": self._trouble.report})

    @property
    def where(self) -> str:
        """The cluster's address."""
        return f"kafka at {self._connection.bootstrap}"

    def default_replication(self) -> int:
        """Return the brokers' `default.replication.factor`; 1 if they do not tell."""
        metadata = self._ask(lambda seconds: self._admin.list_topics(timeout=seconds), "be listed")
        broker = str(next(iter(metadata.brokers)))
        settings = self._settings(ConfigResource(ResourceType.BROKER, broker))
        return int(settings.get("default.replication.factor", "1"))

    def find(self, name: str) -> FoundTopic | None:
        """Return a topic as it is; None if there is none."""

        def describe(seconds: float) -> Any:
            return _result(self._admin.describe_topics(TopicCollection([name]), request_timeout=seconds), name)

        try:
            described = ask(describe, self._trouble, self._admin.poll, self._connection.timeout_s, self._clock)
        except KafkaException as failure:
            if failure.args[0].code() in TOPIC_UNKNOWN:
                return None
            raise self._failure(failure.args[0], f"topic {name} must be described") from None
        copies = min(len(partition.replicas) for partition in described.partitions)
        settings = self._settings(ConfigResource(ResourceType.TOPIC, name))
        return FoundTopic(len(described.partitions), copies, settings)

    def create(self, wish: TopicWish) -> bool:
        """Make a topic; return whether it was this call that made it."""
        new = NewTopic(wish.name, wish.partitions, wish.replication, config=dict(wish.settings))
        timeout_s = self._connection.timeout_s
        try:
            # Asked once: an attempt that timed out may have made it.
            _result(self._admin.create_topics([new], operation_timeout=timeout_s, request_timeout=timeout_s), wish.name)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if error.code() in _IMPOSSIBLE:
                rule = f"must be a topic that the cluster can make, was refused: {error.str()}"
                raise ConfigError(Problem(wish.name, rule)) from None
            raise self._failure(error, f"topic {wish.name} must be made") from None
        return True

    def _settings(self, resource: ConfigResource) -> Mapping[str, str]:
        """Return a configuration; empty where we may not see it."""

        def describe(seconds: float) -> Any:
            return _result(self._admin.describe_configs([resource], request_timeout=seconds), resource)

        try:
            entries = ask(describe, self._trouble, self._admin.poll, self._connection.timeout_s, self._clock)
        except KafkaException as failure:
            if failure.args[0].code() in _REFUSED:
                return {}
            raise self._failure(failure.args[0], f"settings of {resource.name} must be described") from None
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def _ask(self, question: Callable[[float], AnswerT], what: str) -> AnswerT:
        try:
            return ask(question, self._trouble, self._admin.poll, self._connection.timeout_s, self._clock)
        except KafkaException as failure:
            raise self._failure(failure.args[0], f"topics must {what}") from None

    def _failure(self, error: KafkaError, what: str) -> UnavailableError:
        advice = "; grant CREATE, DESCRIBE and DESCRIBE_CONFIGS" if error.code() in _REFUSED else ""
        return UnavailableError(f"{what} at {self._connection.bootstrap}, was refused: {error.str()}{advice}")


def _result(futures: Mapping[Any, Future[AnswerT]], key: object) -> AnswerT:
    return futures[key].result()
