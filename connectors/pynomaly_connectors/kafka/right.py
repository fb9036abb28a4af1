"""Whether we may do at a cluster what the flow will need, asked before anything starts.

A topic that may be looked at but not written would else be found out by the first alert, which can be weeks later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # pyright: ignore[reportPrivateImportUsage] - documented there

from pynomaly.application.spec.sink import KafkaSink
from pynomaly.application.spec.source import KafkaConnection
from pynomaly.domain.error import AccessError
from pynomaly_connectors.kafka.error_code import CLUSTER_REFUSED, GROUP_REFUSED

Right = Literal["READ", "WRITE"]

_OPERATIONS: Final = {"READ": AclOperation.READ, "WRITE": AclOperation.WRITE}
_ASK_S: Final = 5.0


def check_topic(connection: KafkaConnection, topic: str, allowed: Sequence[AclOperation] | None) -> None:
    """Check that we may do with a topic what the connection is for: a source reads, a sink writes.

    Brokers that know of no rights, and brokers that are too old to tell, name none: the first fetch or message will.

    Raises
    ------
    AccessError
        When we may not.
    """
    right = _needed_on_topic(connection)
    if not _has(right, allowed):
        raise _missing_topic_right(connection, topic, f"no right to {right}")


def missing_right(connection: KafkaConnection, topic: str, error: KafkaError) -> AccessError:
    """Say what to grant after a broker has refused something that we did with a topic."""
    if error.code() == CLUSTER_REFUSED:  # what brokers before 2.8 ask of an idempotent producer
        return AccessError(
            f"the cluster at {connection.bootstrap} must let this user write safely, refused: {error.str()}; "
            f"grant IDEMPOTENT_WRITE on the cluster {_to_whom(connection)}"
        )
    return _missing_topic_right(connection, topic, error.str())


def check_group(connection: KafkaConnection, group: str, admin: AdminClient) -> None:
    """Ask whether we may commit offsets to a group.

    Takes 5 s at the most. A coordinator that cannot answer is not judged: offsets in a group are for those who look.

    Raises
    ------
    AccessError
        When we may not.
    """
    try:
        asked = admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=_ASK_S)
        allowed = asked[group].result().authorized_operations
    except KafkaException as failure:
        if failure.args[0].code() == GROUP_REFUSED:
            raise _missing_group_right(connection, group) from None
        return
    if not _has("READ", allowed):
        raise _missing_group_right(connection, group)


def _needed_on_topic(connection: KafkaConnection) -> Right:
    return "WRITE" if isinstance(connection, KafkaSink) else "READ"


def _has(right: Right, allowed: Sequence[AclOperation] | None) -> bool:
    return not allowed or _OPERATIONS[right] in allowed


def _missing_topic_right(connection: KafkaConnection, topic: str, reason: str) -> AccessError:
    return AccessError(
        f"topic {topic} at {connection.bootstrap} must be open to this user, was refused: {reason}; "
        f"grant {_needed_on_topic(connection)} on the topic {_to_whom(connection)}"
    )


def _missing_group_right(connection: KafkaConnection, group: str) -> AccessError:
    return AccessError(
        f"group {group} at {connection.bootstrap} must be open to this user, was refused: no right to commit offsets; "
        f"grant READ on the group {_to_whom(connection)}, or leave `group` out: only lag tools need it"
    )


def _to_whom(connection: KafkaConnection) -> str:
    sasl = connection.security.sasl
    return "to its principal" if sasl is None or sasl.username is None else f"to User:{sasl.username}"
