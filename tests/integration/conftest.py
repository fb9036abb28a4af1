"""What several modules of integration tests are given."""

from __future__ import annotations

import time

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from brokers.record_logs import payload
from brokers.secured_kafka import SecuredKafka


@pytest.fixture(scope="module")
def shared(secured_kafka: SecuredKafka) -> str:
    """A topic with three records that alice may read and write."""
    topic = f"shared-{time.time_ns()}"
    secured_kafka.create(topic)
    secured_kafka.allow("alice", ResourceType.TOPIC, topic, AclOperation.READ, AclOperation.WRITE)
    secured_kafka.append(topic, [payload(n) for n in (1, 2, 3)])
    return topic
