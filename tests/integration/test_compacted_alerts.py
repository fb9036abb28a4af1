"""The recipe of the compacted topic: keyed by id, Kafka itself keeps one of each alert."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from brokers.alert_logs import alert
from brokers.kafka_topics import KafkaTopics, until
from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.sink import KafkaSink
from pynomaly.bootstrap import services_of
from pynomaly.consumer import read_alerts
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly_connectors.codecs.cloudevents import encode, keyed_by_id
from pynomaly_connectors.kafka.sink import KafkaMessageSink

#: Compaction within a second or two instead of minutes; only the policy is the recipe.
SOON = {
    "cleanup_policy": "compact",
    "segment_ms": "100",
    "min_cleanable_dirty_ratio": "0.001",
    "delete_retention_ms": "100",
}


def test_a_message_keyed_by_id_says_so() -> None:
    """Key and `ce_partitionkey` are the id, as the CloudEvents binding wants them equal; nothing else changes."""
    plain = encode(alert(7))
    keyed = keyed_by_id(plain)
    identity = alert(7).id.encode()
    assert keyed.key == identity
    assert dict(keyed.headers)["ce_partitionkey"] == identity
    assert replace(keyed, key=plain.key, headers=plain.headers) == plain
    changed = [name for (name, one), (_, other) in zip(plain.headers, keyed.headers, strict=True) if one != other]
    assert changed == ["ce_partitionkey"]


@pytest.mark.parametrize("key", ["series", "id"])
def test_a_flow_writes_the_key_that_its_output_asks_for(key: str) -> None:
    """`key: id` reaches the messages of a flow; without it the series is the key."""
    (output,) = services_of(parse_flow(_flow({**_KAFKA, "key": key}))).outputs(None)
    none = np.zeros(0, np.int64)
    stream, keys = Stream("readings"), KeyColumn.of([])
    batch = RecordBatch(stream, none, none, keys, np.zeros((0, 1)), np.zeros(0, np.uint8))
    result = DetectionResult(batch, none, Outcomes.empty(0, 1, 1), (alert(7),))
    (message,) = output.encode(result)
    assert message.key == {"series": b"pump-1", "id": alert(7).id.encode()}[key]


def test_dead_letters_keep_the_keys_of_their_records() -> None:
    """Under another key they could not be sent again."""
    with pytest.raises(ConfigError, match=r"output\.dead_letters\.key: must be left out"):
        parse_flow(_flow(_KAFKA, dead_letters={**_KAFKA, "topic": "dead", "key": "id"}))


_KAFKA = {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "alerts"}


def _flow(alerts: dict[str, str], **outputs: object) -> dict[str, object]:
    return {
        "flow": "pumps",
        "source": {"kind": "memory", "topic": "readings"},
        "record": {"time": {"field": "ts", "format": "ms"}, "values": ["value"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": alerts, **outputs},
    }


@pytest.mark.kafka
def test_a_compacted_topic_keeps_one_of_each_alert(kafka: KafkaTopics, unique_name: Callable[[str], str]) -> None:
    """Fifty alerts written three times, as after two crashes: each is there once, with the bytes of all three."""
    topic = unique_name("alerts")
    kafka.create(topic, **SOON)
    spec = KafkaSink(kind="kafka", bootstrap=kafka.bootstrap, topic=topic, key="id")
    writer = KafkaMessageSink(spec).open(None)
    events = [keyed_by_id(encode(alert(number))) for number in range(50)]
    for _ in range(3):
        writer.write(events)
        writer.flush()
    kept = {event.key: event.value for event in events}
    rolls = 0

    def compacted() -> bool:
        nonlocal rolls
        time.sleep(0.15)  # a segment closes at the first record after its time, and only closed ones are compacted
        rolls += 1
        kafka.append(topic, 0, [b"{}"], key=b"roll-%d" % rolls)
        keys = [message.key() for message in kafka.read(topic)]
        return len([key for key in keys if key in kept]) == len(kept)

    until(compacted, "the topic holds one message of each id", deadline_s=30)
    found = {message.key(): message.value() for message in kafka.read(topic) if message.key() in kept}
    assert found == kept
    with read_alerts({"kind": "kafka", "bootstrap": kafka.bootstrap, "topic": topic}, until_end=True) as alerts:
        assert [one.offset for one in alerts] == list(range(50))
        assert alerts.repeats == 0
    writer.close()
