"""The programs of the benchmarks run, and those that are to do the same work do it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from brokers.kafka_topics import KafkaTopics
from pynomaly.application.spec.detect import NativePart
from pynomaly.application.spec.parse import parse_flow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SERIES, RECORDS, PARTITIONS = 20, 6_000, 2


def output_of(*command: str) -> str:
    """Run a program of the benchmarks to its end."""
    ended = subprocess.run(
        [sys.executable, *command], cwd=BENCHMARKS, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def expected(values: Sequence[float]) -> list[int]:
    """Return the numbers of the records that are 3.63 standard deviations away, by a recursion written once more."""
    seen: dict[int, tuple[int, float, float]] = {}
    found: list[int] = []
    for number, value in enumerate(values):
        count, mean, variance = seen.get(number % SERIES, (0, 0.0, 0.0))
        if count >= 50 and abs(value - mean) > 3.63 * math.sqrt(variance):
            found.append(number)
        weight = max(0.01, 1 / (count + 1))
        spread = variance + weight * (value - mean) ** 2
        seen[number % SERIES] = count + 1, mean + weight * (value - mean), (1 - weight) * spread
    return found


def test_the_flow_that_is_measured_has_all_that_one_in_production_has() -> None:
    """Metrics are served, anomalies are not learned, alerts are calibrated and checkpoints are on."""
    flow = "kafka_flow.flow_tree('127.0.0.1:9', 'in', 'out', 10.0)"
    program = f"import json, sys; sys.path.append('../tests'); import kafka_flow; print(json.dumps({flow}))"
    spec = parse_flow(json.loads(output_of("-c", program)))
    assert spec.metrics.address == ("127.0.0.1", 0)
    (detector,) = spec.detectors
    assert isinstance(detector, NativePart)
    assert (detector.guard is not None, detector.calibration.warm_up, spec.checkpoint.every_ns) == (True, 50, 10**10)


@pytest.fixture(scope="module")
def values() -> list[float]:
    """Readings, one in 300 far away from the others."""
    random = np.random.default_rng(5)
    near = random.normal(50.0, 5.0, RECORDS) + 60.0 * (random.random(RECORDS) < 1 / 300)
    return [round(value, 4) for value in near.tolist()]


@pytest.fixture(scope="module")
def topic(kafka: KafkaTopics, values: list[float]) -> str:
    """The readings in a topic keyed by series."""
    name = f"benchmark-programs-{id(values)}"
    kafka.create(name, PARTITIONS)
    for partition in range(PARTITIONS):
        own = range(partition, RECORDS, PARTITIONS)
        lines = (f'{{"ts":{number},"series":"s{number % SERIES}","value":{values[number]}}}' for number in own)
        kafka.append(name, partition, [line.encode() for line in lines])
    return name


@pytest.mark.kafka
@pytest.mark.parametrize("program", ["plain_loop", "stock_bytewax"])
def test_peers_of_one_recursion_alert_on_the_same_records(
    kafka: KafkaTopics, topic: str, values: list[float], program: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """Whatever library moves the records."""
    alerts = unique_name("alerts")
    kafka.create(alerts)
    output_of(f"peers/{program}.py", kafka.bootstrap, topic, alerts, str(tmp_path / "state"))
    found = sorted(json.loads(message.value() or b"")["ts"] for message in kafka.read(alerts))
    assert found == expected(values)
    assert len(found) > 10


@pytest.mark.kafka
def test_the_loop_with_river_runs(
    kafka: KafkaTopics, topic: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """Its scores are another recursion's; it alerts on some of the spikes."""
    alerts = unique_name("alerts")
    kafka.create(alerts)
    output_of("peers/river_loop.py", kafka.bootstrap, topic, alerts, str(tmp_path / "state"))
    assert all(json.loads(message.value() or b"")["value"] > 60 for message in kafka.read(alerts))
    assert kafka.read(alerts)


def test_growth_measures_one_size() -> None:
    """Cost and memory of a thousand series."""
    size = json.loads(output_of("growth.py", "1000"))
    assert size["series"] == 1_000
    assert 0.0 < size["us"] < 100.0
    assert 1_232 <= size["documented"] < 1_536


def test_a_picture_is_drawn_of_a_run(tmp_path: Path) -> None:
    """Of the rows that have a peer."""
    rows = [
        {"name": "Kafka to alert topic, 9 records [us CPU/record]", "ours": 0.6, "peer": peer, "against": name}
        for name, peer in (("loop", 1.4), ("stock", 8.0), ("not run: other", None))
    ]
    run = tmp_path / "run.json"
    run.write_text(json.dumps({"rows": [*rows, {"name": "state", "ours": 1, "peer": None, "against": ""}]}))
    output_of("plot.py", str(run), str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
