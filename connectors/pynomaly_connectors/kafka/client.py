"""Settings for librdkafka: what pynomaly needs for its promises, what it prefers, and what the operator adds.

Memory of a consumer is bounded: 64 MiB fetched ahead (`queued.max.messages.kbytes`, one bound for the whole handle)
plus one fetch response of at most 50 MiB per broker. Where each partition has a queue of its own (`NativeFeed`) the
bound holds for a queue and is divided by the partitions of the topic, down to 1 MiB: what all of them hold is then at
most the larger of 64 MiB and 1 MiB times the partitions that this process reads. A producer holds at most 64 MiB of
unsent messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from pynomaly.application.spec.bootstrap_hosts import hosts as hosts_of
from pynomaly.application.spec.security import KEY_OF_SETTING, rule_of_plaintext
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaConnection, KafkaSource
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.kafka.credentials import security_settings

ClientT = TypeVar("ClientT")
Settings = dict[str, object]

#: Name under which assign-only readers ask for their coordinator; nothing is ever committed to it.
NO_GROUP: Final = "pynomaly"

#: What delivery and replay depend on: key -> how an operator gets what it is about.
RESERVED: Final[Mapping[str, str]] = {
    "bootstrap.servers": "set `bootstrap` instead",
    "metadata.broker.list": "set `bootstrap` instead",
    "group.id": "set `group` instead",
    "auto.offset.reset": "a lost offset is an error here, never a jump",
    "enable.auto.commit": "offsets are committed after their checkpoint is durable",
    "enable.auto.offset.store": "offsets are committed after their checkpoint is durable",
    "enable.partition.eof": "a bounded read needs it",
    "enable.idempotence": "retries would write alerts twice or out of order without it",
    "acks": "an alert counts when all in-sync replicas have it",
    "request.required.acks": "an alert counts when all in-sync replicas have it",
    "transactional.id": "the producer is not transactional",
    "delivery.timeout.ms": "set `delivery_timeout_s` instead",
    "message.timeout.ms": "set `delivery_timeout_s` instead",
}

_log = logging.getLogger(__name__)


class _LibraryLog:
    """Takes librdkafka's log lines: down to debug, for it repeats a refused connection 20 times a second.

    What an operator must know (an outage, refused credentials) arrives through the error callback.
    """

    def log(self, _level: int, text: str, *arguments: object) -> None:
        _log.debug("kafka_library_said", extra={"text": text % arguments if arguments else text})


LIBRARY_LOG: Final = _LibraryLog()


def connection_settings(connection: KafkaConnection) -> Settings:
    """Return what every client of a cluster is made with.

    Raises
    ------
    ConfigError
        Naming every reserved key that the operator tried to set, or every file of secrets that cannot be read; or
        when what travels to other machines could be read.
    """
    problems = [
        Problem(f"client.{key}", f"must not be set: {RESERVED[key]}") for key in connection.client if key in RESERVED
    ]
    if problems:
        raise ConfigError(*problems)
    refuse_plaintext(connection, hosts_of(connection.bootstrap))
    preferred: Settings = {
        # A hung broker is noticed after this silence, a restarted one at most a second after it is back.
        "socket.timeout.ms": min(300_000, max(1_000, round(connection.timeout_s * 1_000))),
        "reconnect.backoff.max.ms": 1_000,
        "log.connection.close": False,
    }
    given: Settings = {**connection.client, **security_settings(connection.security)}
    return preferred | given | {"bootstrap.servers": connection.bootstrap}


def refuse_plaintext(connection: KafkaConnection, hosts: Iterable[str]) -> None:
    """Check that nothing travels readable to other machines, unless the connection allows it.

    Raises
    ------
    ConfigError
        When it would.
    """
    rule = rule_of_plaintext(connection.security, hosts)
    if rule is not None:
        raise ConfigError(Problem("security.allow_plaintext", rule))


def consumer_settings(source: KafkaSource) -> Settings:
    """Return the settings of a reader that assigns its partitions itself."""
    preferred: Settings = {
        "fetch.wait.max.ms": 50,
        "fetch.queue.backoff.ms": 5,  # the default of 1 s caps reading a backlog at 150,000 records/s
        "queued.min.messages": 200_000,
        "queued.max.messages.kbytes": 65_536,
    }
    required: Settings = {
        "group.id": source.group or NO_GROUP,
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
    }
    return preferred | connection_settings(source) | required


def producer_settings(sink: KafkaSink) -> Settings:
    """Return the settings of a producer that neither loses, repeats nor reorders while it lives."""
    preferred: Settings = {
        "linger.ms": 5,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",  # where JVM producers put the same key
        "queue.buffering.max.kbytes": 65_536,
        # What a broker takes by default, less its framing: a dead letter keeps 1,000,000 bytes beside its own headers.
        "message.max.bytes": 1_048_000,
    }
    required: Settings = {
        "enable.idempotence": True,
        "acks": "all",
        "delivery.timeout.ms": round(sink.delivery_timeout_s * 1_000),
    }
    return preferred | connection_settings(sink) | required


def connect(client: Callable[..., ClientT], settings: Settings) -> ClientT:
    """Make a client; connecting itself happens in its background threads.

    Raises
    ------
    ConfigError
        When librdkafka refuses a setting.
    """
    try:
        return client(settings, logger=LIBRARY_LOG)
    except KafkaException as refusal:
        raise refused_setting(refusal.args[0].str(), settings) from None


def refused_setting(reason: str, settings: Mapping[str, object]) -> ConfigError:
    """Say that librdkafka refuses a setting, by its key if it can be told, and never with its value."""
    named = [setting for setting in settings if setting in reason and setting in KEY_OF_SETTING]
    for value in settings.values():
        reason = reason.replace(f'"{value}"', "(a hidden value)")
    if named:
        key = KEY_OF_SETTING[max(named, key=len)]
        return ConfigError(Problem(key, f"must be what librdkafka can use, was refused: {reason}"))
    return ConfigError(Problem("client", f"must hold librdkafka settings, was refused: {reason}"))
