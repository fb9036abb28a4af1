"""Error codes of the client in groups, by what they mean to us."""

# ruff: noqa: SLF001 - librdkafka's own codes are public, but carry its leading underscore
from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

#: Nothing follows the last message for now; no error at all.
END_OF_PARTITION: Final = KafkaError._PARTITION_EOF

#: The wanted offset is gone; this code because `auto.offset.reset` is `error`.
OFFSET_OUT_OF_RANGE: Final = KafkaError._AUTO_OFFSET_RESET

#: The group is not open to us; only commits need it.
GROUP_REFUSED: Final = KafkaError.GROUP_AUTHORIZATION_FAILED

#: What is asked of the whole cluster is not open to us.
CLUSTER_REFUSED: Final = KafkaError.CLUSTER_AUTHORIZATION_FAILED

#: A message is larger than the client or the broker allows.
TOO_LARGE: Final = KafkaError.MSG_SIZE_TOO_LARGE

#: Waiting does not help: wrong password, wrong certificate.
CREDENTIALS_REFUSED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})

#: A right on the topic or the cluster is missing.
RIGHT_MISSING: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)

#: The client works with nobody.
OUTAGE: Final = frozenset({KafkaError._ALL_BROKERS_DOWN}) | CREDENTIALS_REFUSED

#: The cluster does not know the topic or partition.
TOPIC_UNKNOWN: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
    }
)

#: The topic cannot be used by us.
TOPIC_REFUSED: Final = TOPIC_UNKNOWN | {KafkaError.TOPIC_AUTHORIZATION_FAILED}

#: A fetch that fails so is repeated by the client, most of the time with success.
FETCH_FAULT: Final = frozenset(
    {
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)

#: A later attempt may be answered, whatever the code's own retriable flag says.
NOT_YET: Final = TOPIC_UNKNOWN | {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
