"""Replaying a topic gives the outcomes and the alerts of the live run, however the records are cut into batches.

CI: 30,000 records. ``E2E_SIZE=full``: 300,000 records.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_file import derived_flow
from e2e.job import Program
from e2e.size import size
from e2e.traffic import Record, Traffic, send, spread
from e2e.verifier import lines, lines_by_partition, stored, structured, without_repeats

_SERIES = 40
_STEPS = size(750, 7_500)
_PARTITIONS = 3
_WITHIN_S = size(120, 900)


def _with_damage(traffic: Traffic) -> list[Record]:
    """Cut every 500th record short: what is refused must replay like the rest."""
    return [
        record._replace(value=(record.value or b"")[:-9]) if number % 500 == 499 else record
        for number, record in enumerate(traffic.records())
    ]


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(size(300, 3_600))
def test_replay_equals_live_at_any_batch_size(kafka: KafkaTopics, program: Program, tmp_path: Path) -> None:
    """Outcome lines are equal byte for byte within each partition; alerts are equal as CloudEvents, ids included."""
    kafka.create("replay-readings", _PARTITIONS)
    kafka.create("replay-alerts")
    send(
        kafka.bootstrap,
        "replay-readings",
        _with_damage(Traffic(_SERIES, _STEPS, _PARTITIONS, spread(_STEPS // 10, range(_STEPS), _SERIES))),
    )
    changes = {
        "alert": {"levels": {"watch": 1.2, "warning": 3}, "bump": 1},
        "output": {"outcomes": {"kind": "file", "path": "live.jsonl"}, "outcomes_of": "all"},
        "checkpoint": {"every": "100ms"},
    }
    flow = derived_flow("kafka", tmp_path / "replayed.yaml", changes)
    places = {
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "KAFKA_INPUT_TOPIC": "replay-readings",
        "KAFKA_ALERT_TOPIC": "replay-alerts",
    }
    program.run("run", flow, "--until-end", "--state", "state", within_s=_WITHIN_S, **places).succeeded()
    live = lines_by_partition(tmp_path / "live.jsonl")
    alerts = {
        id_: structured(alert) for id_, alert in without_repeats(stored(kafka.bootstrap, "replay-alerts")).items()
    }
    assert sum(map(len, live.values())) == _SERIES * _STEPS
    assert len(alerts) > 50

    for batch_records in ("1", "7", "10000"):
        files = ("--output", "alerts.jsonl", "--outcomes", "outcomes.jsonl")
        program.run(
            *("replay", flow, "--batch-records", batch_records, *files), within_s=_WITHIN_S, **places
        ).succeeded()
        again = list(lines(tmp_path / "alerts.jsonl"))
        assert len(again) == len(alerts), batch_records
        assert {alert["id"]: alert for alert in again} == alerts, batch_records
        assert lines_by_partition(tmp_path / "outcomes.jsonl") == live, batch_records
    assert len(stored(kafka.bootstrap, "replay-alerts")) == len(alerts), "a replay must not write to the flow's outputs"
