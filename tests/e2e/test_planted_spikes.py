"""Spikes planted in a stream of sensors are found, little else is, and every record has exactly one outcome.

A series gets one spike at the most: a second one soon after would be held back by the refractory, as it should.

CI: 200,000 records. ``E2E_SIZE=full``: 1,000,000 records of the same 500 series.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_file import derived_flow
from e2e.job import Program
from e2e.size import size
from e2e.traffic import Traffic, one_each, send, series_name, time_ms
from e2e.verifier import (
    ANOMALY,
    Offset,
    as_cloud_event,
    assert_one_outcome_each,
    lines,
    read_topic,
    stored,
    without_repeats,
)

_SERIES = 500
_STEPS = size(400, 2_000)
_WARM_STEPS = 200  # 20 records until the first score, 150 scores until the first severity, and some more
_SPIKES = 200
_PARTITIONS = 4
_LEAST_RECALL = 0.95
_MOST_FALSE = 0.001


def _planted(traffic: Traffic, bootstrap: str, topic: str) -> tuple[set[Offset], set[Offset]]:
    """Read the input back: where the spikes stand, and where anything stands."""
    spikes = {(series_name(number), time_ms(step, number)) for step, number in traffic.spikes}
    planted: set[Offset] = set()
    every: set[Offset] = set()
    for message in read_topic(bootstrap, topic):
        place = (message.partition() or 0, message.offset() or 0)
        reading = orjson.loads(message.value() or b"")
        every.add(place)
        if (reading["series"], reading["ts"]) in spikes:
            planted.add(place)
    return planted, every


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(size(300, 1_200))
def test_spikes_alert_and_little_else_does(kafka: KafkaTopics, program: Program, tmp_path: Path) -> None:
    """At least 95 % of the spikes alert, at most 0.1 % of the rest, as valid CloudEvents with ids of their own."""
    traffic = Traffic(_SERIES, _STEPS, _PARTITIONS, one_each(_SPIKES, range(_WARM_STEPS, _STEPS), _SERIES))
    kafka.create("spikes-readings", _PARTITIONS)
    kafka.create("spikes-alerts")
    assert send(kafka.bootstrap, "spikes-readings", traffic.records()) == len(traffic)
    outcomes = {"outcomes": {"kind": "file", "path": "outcomes.jsonl"}, "outcomes_of": "all"}
    flow = derived_flow("kafka", tmp_path / "spikes.yaml", {"output": outcomes})

    program.run(
        *("run", flow, "--until-end", "--state", "state"),
        within_s=size(120, 600),
        KAFKA_BOOTSTRAP=kafka.bootstrap,
        KAFKA_INPUT_TOPIC="spikes-readings",
        KAFKA_ALERT_TOPIC="spikes-alerts",
    ).succeeded()

    planted, every = _planted(traffic, kafka.bootstrap, "spikes-readings")
    assert (len(planted), len(every)) == (_SPIKES, len(traffic))
    assert_one_outcome_each(lines(tmp_path / "outcomes.jsonl"), every)

    messages = stored(kafka.bootstrap, "spikes-alerts")
    assert len(without_repeats(messages)) == len(messages)
    assert {as_cloud_event(message).get_type() for message in messages} == {ANOMALY}
    alerted = {message.cause for message in messages}
    anomalous = (line for line in lines(tmp_path / "outcomes.jsonl") if line["outcome"] == "anomalous")
    assert alerted == {(line["partition"], line["offset"]) for line in anomalous}

    recall = len(alerted & planted) / len(planted)
    false = len(alerted - planted) / (len(every) - len(planted))
    print(f"{len(every):,} records: {recall:.1%} of {_SPIKES} spikes alerted, {false:.4%} of the others")  # noqa: T201
    assert recall >= _LEAST_RECALL
    assert false <= _MOST_FALSE
