"""What docker-compose.yml shows: the leaks of a water main are found each time that they come round."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import orjson

from e2e.flow_file import derived_flow
from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.replay import replay
from pynomaly.application.spec.source import DatasetSource
from pynomaly.bootstrap import services_of
from pynomaly.domain.event import AnomalyDetected
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly_connectors.datasets import DatasetRecordSource, labels
from pynomaly_connectors.memory import Broker

_LAPS = 4
_STEP_MS = 50  # twenty records a second


def test_leaks_alert_on_every_lap(memory_broker: Broker, tmp_path: Path) -> None:
    """At least two of the four anomalies of each lap alert, and few other records do."""
    dataset = DatasetRecordSource(DatasetSource(kind="dataset", name="water_flow"))
    with closing(dataset.open("water_flow", None, bounded=True)) as recorded:
        batch = recorded.poll()
    assert batch is not None
    assert len(batch) == 1268
    values = batch.values[:, 0].tolist()
    for number, value in enumerate(values * _LAPS):
        record = {"ts": 1_700_000_000_000 + number * _STEP_MS, "series": "water_flow", "value": value}
        memory_broker.append("measurements", orjson.dumps(record), b"water_flow")

    elsewhere = {"kind": "memory", "bootstrap": None, "security": None}
    memory = {**elsewhere, "group": None, "topic": "measurements"}
    output = {"alerts": {**elsewhere, "topic": "alerts"}}
    flow = derived_flow("water", tmp_path / "water.yaml", {"source": memory, "output": output})
    services = services_of(load_flow(flow, {}))
    alerts: list[int] = []

    def take(result: DetectionResult) -> None:
        alerts.extend(event.offset for event in result.events if isinstance(event, AnomalyDetected))

    replay(services.source, services.engine_for, take)
    anomaly = np.full(len(values), -1)
    for number, (begin, end) in enumerate(labels("water_flow")):
        anomaly[(batch.time_ns >= begin) & (batch.time_ns < end)] = number
    for lap in range(_LAPS):
        found = [int(anomaly[row % len(values)]) for row in alerts if row // len(values) == lap]
        assert len(set(found) - {-1}) >= 2, f"lap {lap}: {found}"
        assert found.count(-1) <= 2
