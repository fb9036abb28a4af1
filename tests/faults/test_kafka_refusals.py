"""What a cluster refuses a reader while it reads: the topic stops it, the group does not."""

from __future__ import annotations

import logging

import pytest

from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from brokers.record_logs import RECORDS, payload
from pynomaly.application.ports import PartitionReader
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import AccessError
from pynomaly_connectors.codecs.choose import json_decoder
from pynomaly_connectors.kafka.source import KafkaRecordSource

FETCH, FIND_COORDINATOR = 1, 10
TOPIC_AUTHORIZATION_FAILED, INVALID_GROUP_ID, GROUP_AUTHORIZATION_FAILED = 29, 24, 30
REFUSALS = 50  # more than the client asks for in a test

pytestmark = pytest.mark.usefixtures("each_reader")


def opened(cluster: MockCluster, group: str | None = None) -> PartitionReader:
    """Open the only partition of a topic with one record."""
    topics = KafkaTopics(cluster.bootstrap, cluster)
    topics.create("records")
    topics.append("records", 0, [payload(1)])
    spec = KafkaSource(kind="kafka", bootstrap=cluster.bootstrap, topic="records", group=group, timeout_s=10)
    return KafkaRecordSource(spec, json_decoder(RECORDS, "portable")).open("records:0", None, bounded=False)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object, object]]:
    """Return what was told about the group."""
    found = [record for record in caplog.records if record.getMessage() == "kafka_group_refused"]
    return [(record.levelname, record.__dict__.get("group"), record.__dict__.get("error")) for record in found]


@pytest.mark.parametrize("refusal", [GROUP_AUTHORIZATION_FAILED, INVALID_GROUP_ID])
def test_a_refused_group_is_told_and_reading_goes_on(
    mock_cluster: MockCluster, caplog: pytest.LogCaptureFixture, refusal: int
) -> None:
    """Lag tools will see nothing; the operator learns why, once."""
    mock_cluster.fail_requests(FIND_COORDINATOR, *[refusal] * REFUSALS)
    found = 0
    with caplog.at_level(logging.WARNING):
        reader = opened(mock_cluster, "flow")

        def told_and_read() -> bool:
            nonlocal found
            found += len(reader.poll() or ())
            return found > 0 and len(logged(caplog)) > 0

        until(told_and_read, "the record and the warning")
    assert found == 1
    ((level, group, error),) = logged(caplog)
    assert (level, group) == ("WARNING", "flow")
    assert "FindCoordinator" in str(error)
    reader.close()


def test_without_a_group_its_refusal_is_nobodys_concern(
    mock_cluster: MockCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The client asks for a group that the flow never named."""
    mock_cluster.fail_requests(FIND_COORDINATOR, *[GROUP_AUTHORIZATION_FAILED] * REFUSALS)
    reader = opened(mock_cluster)
    until(lambda: reader.poll() is not None, "the record")
    assert logged(caplog) == []
    reader.close()


def test_a_topic_closed_to_us_stops_the_reader(mock_cluster: MockCluster) -> None:
    """Rights that were taken away do not look like an idle topic."""
    reader = opened(mock_cluster)
    mock_cluster.fail_requests(FETCH, *[TOPIC_AUTHORIZATION_FAILED] * REFUSALS)
    with pytest.raises(AccessError, match=r"must be open to this user, was refused: .*; grant READ on the topic"):
        until(lambda: reader.poll() is None and False, "the refusal")
    reader.close()
