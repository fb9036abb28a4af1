"""Shards that are killed and drained, and a Bytewax cluster of changing size, alert as one process does.

The truth is an uninterrupted run of one process over the same topic, with a state and outputs of its own.

CI: 2,000 records/s until the last stop. ``E2E_SIZE=full``: 20,000 records/s.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.cluster import Cluster, workers_of_starts
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.size import size
from e2e.traffic import PacedSender, Traffic
from e2e.verifier import assert_one_outcome_each, durable_epoch, lines, offsets, order_by_key, without_repeats
from fault_table import Figures

_RATE = size(2_000, 20_000)
_LONGEST_S = 300
_SERIES = 40
_PARTITIONS = 4
_STEPS = _RATE * _LONGEST_S // _SERIES
_SHARDS = 2

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(size(300, 1_200))]


@pytest.fixture
def flow(kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> FlowRuns:
    """A flow over an empty topic of four partitions, for runs of every kind."""
    runs = FlowRuns.of("kafka", {"alert": TALKATIVE}, program, kafka, tmp_path / "flow.yaml", unique_name("readings"))
    runs.create_topics(_PARTITIONS, ("whole", "sharded", "cluster"))
    return runs


def _producing(flow: FlowRuns) -> PacedSender:
    """Return what sends readings, a spike in every 1,000, for the length of a block."""
    return PacedSender(flow.bootstrap, flow.readings, Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records(), _RATE)


def _shard_folders(flow: FlowRuns) -> list[Path]:
    return [flow.state("sharded") / f"shard-{index}-of-{_SHARDS}" for index in range(_SHARDS)]


def _shard_outcomes(flow: FlowRuns) -> list[Path]:
    whole = flow.outcomes("sharded")
    return [whole.with_name(f"{whole.stem}.shard-{index}-of-{_SHARDS}.jsonl") for index in range(_SHARDS)]


def _await_new_epochs(flow: FlowRuns, job: Job) -> None:
    """Wait until every shard's store shows a durable epoch that was not there before."""
    before = [durable_epoch(folder) for folder in _shard_folders(flow)]

    def all_new() -> bool:
        assert job.alive, job.err
        return all(durable_epoch(folder) != was for folder, was in zip(_shard_folders(flow), before, strict=True))

    until(all_new, "every shard has a new durable epoch", 60.0)


def _start_shards(flow: FlowRuns, *arguments: str) -> Job:
    return flow.start("sharded", "--shards", str(_SHARDS), *arguments)


def _assert_shards_equal_whole(flow: FlowRuns) -> int:
    """Compare what the shards wrote with the uninterrupted run; return the number of repeated alerts."""
    flow.finish("whole")
    repeated, expected = flow.alerted("sharded"), flow.alerted("whole")
    assert len(expected) >= 20, f"{len(expected)} alerts prove little"
    assert without_repeats(repeated) == without_repeats(expected)
    assert order_by_key(repeated) == order_by_key(expected)
    found = [line for path in _shard_outcomes(flow) for line in path.read_bytes().splitlines()]
    assert sorted(found) == sorted(flow.outcomes("whole").read_bytes().splitlines())
    assert_one_outcome_each(lines(flow.outcomes("whole")), offsets(flow.bootstrap, flow.readings))
    return len(repeated) - len(expected)


def _shard_processes(job: Job) -> dict[str, psutil.Process]:
    """Return the shards' processes by the number of the shard."""
    found = {}
    for process in job.children():
        command = ""
        with suppress(psutil.Error):  # it may have ended meanwhile
            command = " ".join(process.cmdline())
        for index in range(_SHARDS):
            if f'"index":{index},' in command:
                found[str(index)] = process
    return found


def _await_restart(job: Job, number: str, before: psutil.Process) -> None:
    until(lambda: _shard_processes(job).get(number, before) != before, f"shard {number} runs again", 60.0)


def test_kills_and_drains_of_shards_change_nothing(flow: FlowRuns, tell: Callable[[Figures], None]) -> None:
    """A shard that was killed or stopped alone is back; a killed supervisor leaves nobody; a drain ends with 0."""
    with _producing(flow):
        job = _start_shards(flow)
        _await_new_epochs(flow, job)
        for number, send in (("0", psutil.Process.terminate), ("1", psutil.Process.kill)):
            shard = _shard_processes(job)[number]
            send(shard)
            _await_restart(job, number, shard)
            _await_new_epochs(flow, job)
        assert job.err.count('"shard_stopped_alone"') == 1
        shards = _shard_processes(job)
        assert len(shards) == _SHARDS
        psutil.Process(job.pid).kill()
        psutil.wait_procs(shards.values(), timeout=5.0)
        assert not [process for process in shards.values() if process.is_running()], "no shard outlives its supervisor"
        assert job.wait().code == -signal.SIGKILL

        again = _start_shards(flow)
        _await_new_epochs(flow, again)
        assert again.terminate().succeeded().seconds < 10.0
    _start_shards(flow, "--until-end").wait().succeeded()
    repeats = _assert_shards_equal_whole(flow)
    records = len(flow.outcomes("whole").read_bytes().splitlines())
    toll = flow.toll("sharded", "whole", _shard_outcomes(flow))
    assert toll.repeated == repeats
    tell(Figures(18, "a shard and a supervisor killed, three shards drained", records, toll.lost, repeats, 3))


def test_a_rescaled_cluster_gives_the_alerts_of_one_process(flow: FlowRuns, tell: Callable[[Figures], None]) -> None:
    """Drained and started again with 1 -> 2 -> 4 -> 1 processes, a cluster loses, repeats and changes nothing."""
    with _producing(flow):
        for processes in (1, 2, 4):
            cluster = Cluster(flow, "cluster", processes)
            flow.await_new_epoch(cluster.jobs[0], "cluster")
            time.sleep(0.3)  # into the next epoch: when exactly must not matter
            cluster.drain()
    Cluster(flow, "cluster", 1, until_end=True).wait()
    assert workers_of_starts(flow.state("cluster")) == [1, 2, 4, 1]
    flow.finish("whole")
    read = offsets(flow.bootstrap, flow.readings)
    assert_one_outcome_each(lines(flow.outcomes("cluster")), read)
    repeats = flow.assert_equal("cluster", "whole", least_alerts=20)
    toll = flow.toll("cluster", "whole")
    tell(Figures(18, "cluster of 1 -> 2 -> 4 -> 1 processes", len(read), toll.lost, toll.repeated, 3))
    assert repeats == 0
