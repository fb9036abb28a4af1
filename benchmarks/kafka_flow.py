"""The whole product, `pynomaly run` from a Kafka topic to an alert topic, against the programs in `peers`.

Figures are user and system time of the process, its threads and its children; wall time would measure the broker, which
runs on the same cores. A run over one record tells the cost of starting, which is reported by itself. All of them get
`fetch.queue.backoff.ms=5`: librdkafka's default of 1,000 would cap any at 150,000 records a second.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import yaml
from peers.programs import Absent, Peer, peers
from row import Row
from topic import fill, kafka, new_topic

from brokers.kafka_topics import KafkaTopics

_PYNOMALY = str(Path(sys.executable).with_name("pynomaly"))
_OFTEN_S, _USUAL_S, _NEVER_S = 0.2, 10.0, 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took [s], how often it made its state durable, and how many alerts it wrote."""

    cpu_s: float
    wall_s: float
    checkpoints: int = 0
    alerts: int = 0


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
        alerts = new_topic(self._topics, "alerts", 1)
        flow.write_text(yaml.safe_dump(flow_tree(self._topics.bootstrap, topic, alerts, checkpoint_s)))
        state = run / "state"
        command = [_PYNOMALY, "run", str(flow), "--until-end", "--state", str(state), "--log-level=error"]
        cost = measure(command, self._environment)
        return replace(cost, checkpoints=_checkpoints(state), alerts=len(self._topics.read(alerts)))

    def peer(self, peer: Peer, topic: str) -> Cost:
        """Run another program over a topic to its end."""
        alerts = new_topic(self._topics, "peer-alerts", 1)
        arguments = (self._topics.bootstrap, topic, alerts, str(self._folder / str(next(self._runs))))
        cost = measure([*peer.command, *arguments], self._environment)
        return replace(cost, alerts=len(self._topics.read(alerts)))


def flow_tree(bootstrap: str, topic: str, alerts: str, checkpoint_s: float) -> dict[str, object]:
    """Return the flow with all that one in production has: calibration, guard, checkpoints and served metrics."""
    connection = {"kind": "kafka", "bootstrap": bootstrap}
    return {
        "flow": "benchmark",
        "source": {**connection, "topic": topic, "client": {"fetch.queue.backoff.ms": 5}},
        "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
        # The peers warm up for 50 records.
        "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 50}, "guard": {}}],
        "output": {"alerts": {**connection, "topic": alerts}},
        "checkpoint": {"every": f"{checkpoint_s}s", "share": 1},
        "metrics": {"listen": "127.0.0.1:0"},
    }


def kafka_rows(rounds: int, records: int, chosen: Sequence[str]) -> list[Row]:
    """Measure all rows of the Kafka path, against the chosen peers."""
    with kafka() as topics, tempfile.TemporaryDirectory() as folder:
        flows = Flows(topics, Path(folder))
        full, single = (new_topic(topics, what) for what in ("full", "single"))
        fill(topics, full, records)
        fill(topics, single, 1)
        flows.pynomaly(full)  # fills the caches of kernels and byte code
        start = start_row(flows, single, rounds)
        rows = throughput_rows(flows, Topics(full, single, records), rounds, peers(chosen))
        often = alternate(rounds, lambda: flows.pynomaly(full, _OFTEN_S), lambda: flows.pynomaly(full, _NEVER_S))
    return [*rows, checkpoint_row(often), start]


def start_row(flows: Flows, topic: str, rounds: int) -> Row:
    """Time a whole run over one record, with compiled kernels: no start to first record can take longer."""
    runs = [flows.pynomaly(topic) for _ in range(rounds)]
    wall_s = median(run.wall_s for run in runs)
    name = "start, one record, drain and exit with a warm kernel cache [s]"
    return Row(name, wall_s, wall_s, 3.0, at_most=True, raw={"runs": list(map(asdict, runs))})


Pairs = tuple[list[Cost], list[Cost]]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topic that all programs read, and one of a single record, which tells what their start takes."""

    full: str
    single: str
    records: int


def throughput_rows(flows: Flows, topics: Topics, rounds: int, found: Sequence[Peer | Absent]) -> list[Row]:
    """Let all programs take turns; compare CPU time per record, net of the start."""
    present = [peer for peer in found if isinstance(peer, Peer)]
    programs = [flows.pynomaly, *(partial(flows.peer, peer) for peer in present)]
    for program in programs:
        program(topics.single)  # fills the cache of byte code
    starts = [[program(topics.single) for _ in range(rounds)] for program in programs]
    turns = [[program(topics.full) for program in programs] for _ in range(rounds)]
    runs = [list(runs) for runs in zip(*turns, strict=True)]
    ours, *theirs = (Rate.of(topics.records, *measured) for measured in zip(starts, runs, strict=True))
    flow = f"Kafka to alert topic, {topics.records:,} records"
    speed = 1 / ours.us
    return [
        Row(f"{flow} [M records/CPU s]", speed, speed, 1.5, raw=ours.raw),
        *(
            Row(f"{flow} [us CPU/record]", ours.us, rate.us / ours.us, peer.target, rate.us, peer.name, raw=rate.raw)
            for peer, rate in zip(present, theirs, strict=True)
        ),
        *(
            Row(f"{flow} [us CPU/record]", ours.us, None, None, against=absent_of(absent))
            for absent in found
            if isinstance(absent, Absent)
        ),
        agreement_row([rate.alerts for peer, rate in zip(present, theirs, strict=True) if peer.same_recursion], ours),
        Row("start and stop with one record [CPU s]", ours.start_s, None, None),
    ]


@dataclass(frozen=True, slots=True)
class Rate:
    """What one program takes for a record [us], net of its start [s], and how many alerts it wrote."""

    us: float
    start_s: float
    alerts: int
    raw: dict[str, object]

    @classmethod
    def of(cls, records: int, starts: Sequence[Cost], runs: Sequence[Cost]) -> Rate:
        """Take medians."""
        start_s = median(run.cpu_s for run in starts)
        us = (median(run.cpu_s for run in runs) - start_s) / records * 1e6
        raw: dict[str, object] = {"starts": list(map(asdict, starts)), "runs": list(map(asdict, runs))}
        return cls(us, start_s, runs[-1].alerts, raw)


def agreement_row(alerts: Sequence[int], ours: Rate) -> Row:
    """Say whether the peers with the same recursion did the same work."""
    agreeing = sum(count == alerts[0] for count in alerts)
    name = f"peers of one recursion that wrote {alerts[0] if alerts else 0:,} alerts (ours: {ours.alerts:,})"
    return Row(name, agreeing, agreeing, len(alerts), raw={"alerts": list(alerts)})


def absent_of(peer: Absent) -> str:
    """Say why a peer did not run."""
    return f"not run: {peer.name} ({peer.reason})"


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
