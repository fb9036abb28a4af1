"""At which offset the records of a moment begin, as the brokers' index of timestamps knows it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # `OffsetSpec` is documented there
    AdminClient,
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage] # likewise
)

from pynomaly.application.spec.source import KafkaConnection
from pynomaly_connectors.kafka.client import connect, connection_settings
from pynomaly_connectors.kafka.cluster import ask, refused_topic
from pynomaly_connectors.kafka.trouble import Clock, Trouble
from pynomaly_connectors.message_time import timestamp_ms


def offsets_at(
    connection: KafkaConnection, topic: str, partitions: Sequence[int], moment: datetime, clock: Clock = time.monotonic
) -> dict[int, int | None]:
    """Return the offset of each partition's first record with this timestamp or a later one; None where there is none.

    Raises
    ------
    UnavailableError
        When the cluster is silent or refuses us.
    """
    trouble = Trouble(connection, clock)
    admin = connect(AdminClient, connection_settings(connection) | {"error_cb": trouble.report})
    wanted: dict[TopicPartition, OffsetSpec] = {
        TopicPartition(topic, number): OffsetSpec.for_timestamp(timestamp_ms(moment)) for number in partitions
    }

    def look_up(seconds: float) -> dict[int, int | None]:
        answers = admin.list_offsets(wanted, request_timeout=seconds)
        found = {place.partition: int(answer.result().offset) for place, answer in answers.items()}
        return {number: None if found[number] < 0 else found[number] for number in partitions}

    try:
        return ask(look_up, trouble, admin.poll, connection.timeout_s, clock)
    except KafkaException as failure:
        raise refused_topic(connection, topic, failure.args[0]) from None
