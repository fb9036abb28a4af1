"""The whole product, `pynomaly run` from a Kafka topic to an alert topic, against the plain program a user would write.

Figures are user and system time of the process, its threads and its children; wall time would measure the broker, which
runs on the same cores. A run over an empty topic tells the cost of starting, which is reported by itself. Both sides
get `fetch.queue.backoff.ms=5`: librdkafka's default of 1,000 would cap either at 150,000 records a second.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median

import yaml
from row import Row
from topic import fill, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_PYNOMALY = str(Path(sys.executable).with_name("pynomaly"))
_RIVER_LOOP = Path(__file__).with_name("river_loop.py")
_OFTEN_S, _USUAL_S, _NEVER_S = 0.2, 10.0, 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took [s], and how often it made its state durable."""

    cpu_s: float
    wall_s: float
    checkpoints: int = 0


class Flows:
    """Runs of both programs over topics of one cluster.

    Parameters
    ----------
    topics
        The cluster.
    folder
        For flow files, byte code and state; a run never finds the state of another.
    """

    def __init__(self, topics: KafkaTopics, folder: Path) -> None:
        self._topics = topics
        self._folder = folder
        self._runs = count()
        self._environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs start from byte code

    def pynomaly(self, topic: str, checkpoint_s: float = _USUAL_S) -> Cost:
        """Run the product over a topic to its end."""
        run = self._folder / str(next(self._runs))
        run.mkdir()
        flow = run / "flow.yaml"
        flow.write_text(yaml.safe_dump(self._flow(topic, checkpoint_s)))
        state = run / "state"
        command = [_PYNOMALY, "run", str(flow), "--until-end", "--state", str(state), "--log-level=error"]
        return replace(measure(command, self._environment), checkpoints=_checkpoints(state))

    def river_loop(self, topic: str) -> Cost:
        """Run the plain program over a topic to its end."""
        alerts = new_topic(self._topics, "river-alerts", 1)
        return measure([sys.executable, str(_RIVER_LOOP), self._topics.bootstrap, topic, alerts], self._environment)

    def _flow(self, topic: str, checkpoint_s: float) -> dict[str, object]:
        connection = {"kind": "kafka", "bootstrap": self._topics.bootstrap}
        return {
            "flow": "benchmark",
            "source": {**connection, "topic": topic, "client": {"fetch.queue.backoff.ms": 5}},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            # The peer has no warm-up of this kind: judge most of its records too.
            "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 50}}],
            "output": {"alerts": {**connection, "topic": new_topic(self._topics, "alerts", 1)}},
            "checkpoint": {"every": f"{checkpoint_s}s", "share": 1},
        }


def kafka_rows(rounds: int, records: int) -> list[Row]:
    """Measure all rows of the Kafka path."""
    with kafka() as topics, tempfile.TemporaryDirectory() as folder:
        flows = Flows(topics, Path(folder))
        full, single, empty = (new_topic(topics, what) for what in ("full", "single", "empty"))
        fill(topics, full, records)
        fill(topics, single, 1)
        for program in (flows.pynomaly, flows.river_loop):
            program(full)  # fills the caches of kernels and byte code
        start = start_row(flows, single, rounds)
        begins = [flows.pynomaly(empty) for _ in range(rounds)], [flows.river_loop(empty) for _ in range(rounds)]
        runs = alternate(rounds, lambda: flows.pynomaly(full), lambda: flows.river_loop(full))
        often = alternate(rounds, lambda: flows.pynomaly(full, _OFTEN_S), lambda: flows.pynomaly(full, _NEVER_S))
    return [*throughput_rows(records, begins, runs), checkpoint_row(often), start]


def start_row(flows: Flows, topic: str, rounds: int) -> Row:
    """Time a whole run over one record, with compiled kernels: no start to first record can take longer."""
    runs = [flows.pynomaly(topic) for _ in range(rounds)]
    wall_s = median(run.wall_s for run in runs)
    name = "start, one record, drain and exit with a warm kernel cache [s]"
    return Row(name, wall_s, wall_s, 3.0, at_most=True, raw={"runs": list(map(asdict, runs))})


Pairs = tuple[list[Cost], list[Cost]]


def throughput_rows(records: int, begins: Pairs, runs: Pairs) -> list[Row]:
    """Compare records per CPU second: with the start of the process, and without it."""
    against = f"confluent_kafka {version('confluent-kafka')} + orjson + River {version('river')}"
    start_s = [median(run.cpu_s for run in side) for side in begins]
    total_s = [median(run.cpu_s for run in side) for side in runs]
    raw: dict[str, object] = {
        "records": records,
        **{name: list(map(asdict, side)) for name, side in zip(("ours", "peer"), runs, strict=True)},
        **{f"{name}_start": list(map(asdict, side)) for name, side in zip(("ours", "peer"), begins, strict=True)},
    }

    def row(name: str, ours_s: float, peer_s: float) -> Row:
        return Row(name, records / ours_s / 1e6, peer_s / ours_s, 1.2, records / peer_s / 1e6, against, raw=raw)

    flow = f"Kafka to alert topic, {records:,} records"
    return [
        row(f"{flow}, start included [M records/CPU s]", total_s[0], total_s[1]),
        row(f"{flow}, net of start [M records/CPU s]", total_s[0] - start_s[0], total_s[1] - start_s[1]),
        Row("start and stop without a record [CPU s]", start_s[0], start_s[1] / start_s[0], None, start_s[1], against),
    ]


def checkpoint_row(runs: Pairs) -> Row:
    """Say which share of a core checkpoints every 10 s take, from how much more the run with frequent ones took."""
    often, never = runs
    each_s = median(
        (one.cpu_s - other.cpu_s) / (one.checkpoints - other.checkpoints)
        for one, other in zip(often, never, strict=True)
    )
    share = 100.0 * each_s / _USUAL_S
    raw: dict[str, object] = {"every 0.2 s": list(map(asdict, often)), "one at the end": list(map(asdict, never))}
    return Row("checkpoints every 10 s, 10,000 series [% of a core]", share, share, 5.0, at_most=True, raw=raw)


def _checkpoints(state: Path) -> int:
    """Read from the recovery store how many epochs have ended."""
    with closing(sqlite3.connect(next(state.rglob("part-0.sqlite3")))) as store:
        (epoch,) = store.execute("SELECT max(worker_frontier) FROM fronts").fetchone()
    return int(epoch) - 1


def alternate(rounds: int, ours: Callable[[], Cost], other: Callable[[], Cost]) -> Pairs:
    """Let two programs take turns."""
    pairs = [(ours(), other()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def measure(command: list[str], environment: Mapping[str, str]) -> Cost:
    """Run a program and return what it and its children took."""
    since = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{command} must end with 0, was {process.returncode}:\n{output.read()}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - since)
