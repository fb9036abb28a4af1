"""One process over all partitions against two shards over half of them each, from records already in memory.

No broker takes CPU from them, and nothing but the flow is measured: each process fills its in-memory topic, loads its
kernels and says that it is ready; then all run at once, to the end, with checkpoints and verified alerts. Every figure
is net of the start, less the same over a few records, and from the run that was disturbed least: two busy cores of a
shared machine leave none for anything else, whose time falls on whichever side it happens to meet. Another figure is
what a flow takes while nothing comes in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
from row import Row

from pynomaly.application.shard import Shard
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import services_of
from pynomaly_connectors.memory import broker
from pynomaly_flows.live import LiveOptions, run_live

_PARTITIONS = 4
_SERIES = 1_000
_FEW = 1_000
_IDLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What the processes of one run took together [CPU s], and until the last one ended [s]."""

    cpu_s: float
    wall_s: float

    def less(self, start: Cost) -> Cost:
        """Return what is left without the start."""
        return Cost(self.cpu_s - start.cpu_s, self.wall_s - start.wall_s)


def _least(costs: Iterable[Cost]) -> Cost:
    taken = tuple(costs)
    return Cost(min(cost.cpu_s for cost in taken), min(cost.wall_s for cost in taken))


def shard_rows(rounds: int, records: int) -> list[Row]:
    """Measure one process and two shards in turns, and a flow that has nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        runs = count()

        def run(shards: int, count: int) -> Cost:
            return _run(Path(folder) / str(next(runs)), shards, count)

        run(1, _FEW)  # fills the cache of kernels
        start = [_least(run(shards, _FEW) for _ in range(rounds)) for shards in (1, 2)]
        pairs = [(run(1, records).less(start[0]), run(2, records).less(start[1])) for _ in range(rounds)]
        idle = [_idle(Path(folder) / str(next(runs))) for _ in range(rounds)]
    raw: dict[str, object] = {"start": [asdict(cost) for cost in start]}
    raw |= {"one": [asdict(one) for one, _ in pairs], "two": [asdict(two) for _, two in pairs]}
    one, two = (_least(pair[side] for pair in pairs) for side in range(2))
    million, peer = records / 1e6, "one process"
    return [
        Row(
            "two shards [us CPU/record]",
            two.cpu_s / million,
            two.cpu_s / one.cpu_s,
            1.1,
            one.cpu_s / million,
            peer,
            at_most=True,
            raw=raw,
        ),
        Row(
            "two shards [M records/s]",
            million / two.wall_s,
            one.wall_s / two.wall_s,
            1.8,
            million / one.wall_s,
            peer,
            raw=raw,
        ),
        Row("a flow without input [% of a core]", median(idle), median(idle), 2.0, at_most=True, raw={"runs": idle}),
    ]


def _run(folder: Path, shards: int, records: int) -> Cost:
    folder.mkdir()
    with ExitStack() as held:
        processes = [held.enter_context(_process(folder, shard, records)) for shard in Shard.all_of(shards)]
        for process in processes:
            _line(process)
        since = time.perf_counter()
        for process in processes:
            _stdin(process)
        costs = [json.loads(_line(process)) for process in processes]
        wall_s = time.perf_counter() - since
    return Cost(sum(costs), wall_s)


def _idle(folder: Path) -> float:
    """Return the share of a core that a flow over empty partitions takes [%]."""
    folder.mkdir()
    with _process(folder, Shard(0, 1), 0) as process:
        _line(process)
        _stdin(process)
        cpu_s = float(_line(process))
    return 100 * cpu_s / _IDLE_S


def _process(folder: Path, shard: Shard, records: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__)), str(folder), str(shard), str(records)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None or not (line := process.stdout.readline()):
        raise RuntimeError(f"{process.args} must answer, ended")
    return line


def _stdin(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.write("go\n")
        process.stdin.flush()


def _spec() -> FlowSpec:
    return FlowSpec.model_validate(
        {
            "flow": "benchmark",
            "source": {"kind": "memory", "topic": "readings"},
            "record": {"time": {"field": "ts", "format": "ms"}, "series": ["series"], "values": ["value"]},
            "detectors": [{"detector": "ew_zscore", "calibration": {"warm_up": 50}}],
            "output": {"alerts": {"kind": "memory", "topic": "alerts"}},
            "checkpoint": {"every": "10s"},
        }
    )


def _fill(shard: Shard, records: int) -> None:
    """Append the records of a shard's partitions; a series stays in its partition."""
    topic = broker()
    topic.create_topic("readings", _PARTITIONS)
    values = np.random.default_rng(7).normal(20.0, 1.0, records)
    for number, value in enumerate(values.tolist()):
        series = number % _SERIES
        partition = series % _PARTITIONS
        if shard.owns(f"readings:{partition}"):
            time_ms = 1_700_000_000_000 + number
            payload = f'{{"ts":{time_ms},"series":"s-{series:04d}","value":{value:.4f}}}'
            topic.append("readings", payload.encode(), partition=partition)


def _main(arguments: Sequence[str]) -> None:
    """Be one process: prepare, wait for the word, run, and print the CPU seconds that the run took."""
    folder, shard, records = Path(arguments[0]), Shard.parse(arguments[1]), int(arguments[2])
    services = services_of(_spec())
    _fill(shard, 100)
    run_live(services, NoTelemetry(), LiveOptions(folder / f"warm-{shard.index}", until_end=True))  # loads kernels
    _fill(shard, records)
    options = LiveOptions(folder / "state", until_end=records > 0, shard=shard)
    print("ready", flush=True)
    sys.stdin.readline()
    if records == 0:
        _stop_after(_IDLE_S)
    since = time.process_time()
    run_live(services, NoTelemetry(), options)
    print(time.process_time() - since, flush=True)


def _stop_after(seconds: float) -> None:
    """Ask this process to drain after a while."""
    subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep({seconds}); os.kill({os.getpid()}, 15)"])


if __name__ == "__main__":
    _main(sys.argv[1:])
