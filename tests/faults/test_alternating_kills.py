"""A leader among three brokers, all three of them, and the job: killed in turn under load, and nothing is lost.

Rows 1, 4, 6 and 20 of the fault matrix on a cluster that replicates: three copies, of which two must have a record.
Kills come at random moments; the job is killed again only after a new epoch is durable, a broker only when all
replicas are in sync again.

CI: 3 kills at 2,000 records a second. ``E2E_SIZE=full``: 20 kills at 3,000 records a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from brokers.kafka_cluster import KafkaCluster
from brokers.kafka_topics import KafkaTopics
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.progress import Progress, assert_calm
from e2e.readiness import Probe
from e2e.size import size
from e2e.traffic import PacedSender, Traffic
from e2e.verifier import assert_one_outcome_each, lines, lines_by_partition, offsets
from fault_table import Figures

_KILLS: Final = size(3, 20)
_RATE: Final = size(2_000, 3_000)
_SERIES: Final = 200
_PARTITIONS: Final = 4
_LONGEST_S: Final = size(150, 1_500)
_STEPS: Final = _RATE * _LONGEST_S // _SERIES
_BROKERS_DOWN_S: Final = 2.0
_LONGEST_DELAY_S: Final = 1.0
_WITHOUT_LEADER_S: Final = 20.0
_NOTICED_S: Final = 5.0
_RECOVERED_S: Final = 30.0
_RUN: Final = "broken"

pytestmark = [pytest.mark.kafka, pytest.mark.ordeal, pytest.mark.timeout(size(240, 1_800))]


@dataclass(slots=True)
class _Round:
    """What is killed, and what was seen of it.

    Parameters
    ----------
    cluster, flow
        What is broken.
    random
        Chooses victims and moments.
    job
        The running one.
    progress
        Of the run.
    """

    cluster: KafkaCluster
    flow: FlowRuns
    random: np.random.Generator
    job: Job
    progress: Progress
    recoveries: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    logs: list[str] = field(default_factory=list[str])

    def leader(self) -> None:
        """Kill the leader of a partition: the flow goes on with the two others, before it comes back."""
        leaders = self.flow.topics.leaders(self.flow.readings)
        victim = self.cluster.nodes[leaders[int(self.random.integers(_PARTITIONS))]]
        victim.kill()
        since = time.monotonic()
        self.progress.await_more(self.job, _WITHOUT_LEADER_S, records=2 * _RATE)
        self._recovered("a leader of three", since)
        victim.start()

    def brokers(self) -> None:
        """Kill all of them: the flow waits and says so."""
        self.cluster.kill()
        Probe.of(self.job).await_hindrance(_NOTICED_S)
        time.sleep(self.random.uniform(0.0, _BROKERS_DOWN_S))  # that the moment is random is the point
        self.cluster.start()
        self._recovered("all three brokers", time.monotonic())

    def program(self) -> None:
        """Kill the job behind a durable epoch; the group has committed nothing that was not durable."""
        self.flow.await_new_epoch(self.job, _RUN)
        time.sleep(self.random.uniform(0.0, _LONGEST_DELAY_S))  # that the moment is random is the point
        self.logs.append(self.job.kill().err)
        durable = lines_by_partition(self.flow.outcomes(_RUN))
        for partition in range(_PARTITIONS):
            assert _committed(self.flow, partition) <= len(durable[partition])
        since = time.monotonic()
        self.job = _started(self.flow)
        self._recovered("the job", since)

    def _recovered(self, what: str, since: float) -> None:
        """Wait until the flow has caught up; a job that starts has until it serves its readiness besides."""
        probe = Probe.of(self.job)
        self.progress.caught_up(self.job, _RECOVERED_S)
        probe.await_ready(_NOTICED_S)
        self.recoveries.setdefault(what, []).append(time.monotonic() - since)


@pytest.fixture
def flow(three_brokers: KafkaCluster, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> FlowRuns:
    """A flow between topics that are replicated."""
    changes = {"alert": TALKATIVE, "metrics": {"listen": "127.0.0.1:0"}}
    readings = unique_name("readings")
    runs = FlowRuns.of("kafka", changes, program, three_brokers.topics, tmp_path / "flow.yaml", readings, "500ms")
    runs.create_topics(_PARTITIONS, (_RUN, "whole"))
    return runs


def _producing(flow: FlowRuns) -> PacedSender:
    """Return what sends readings, a spike in every 1,000, for the length of a block."""
    return PacedSender(flow.bootstrap, flow.readings, Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records(), _RATE)


def _started(flow: FlowRuns) -> Job:
    return flow.start(_RUN, "--log-format", "json")


def _committed(flow: FlowRuns, partition: int) -> int:
    return flow.topics.committed("pynomaly", flow.readings, partition)


def _await_replicas(topics: KafkaTopics, flow: FlowRuns) -> None:
    topics.await_in_sync(flow.readings, flow.alerts(_RUN), "__consumer_offsets")


def test_brokers_and_job_killed_in_turn(
    flow: FlowRuns, three_brokers: KafkaCluster, tell: Callable[[Figures], None]
) -> None:
    """Every record has one outcome, the alerts are those of an uninterrupted run once repeats are dropped."""
    with _producing(flow) as sender:
        progress = Progress(flow.outcomes(_RUN), sender)
        turn = _Round(three_brokers, flow, np.random.default_rng(31), _started(flow), progress)
        progress.await_more(turn.job, _RECOVERED_S, records=_RATE)
        for kill in islice(cycle((turn.leader, turn.program, turn.brokers)), _KILLS):
            _await_replicas(flow.topics, flow)
            kill()
        _await_replicas(flow.topics, flow)
    progress.completed(turn.job, _RECOVERED_S)
    for log in (*turn.logs, turn.job.terminate().succeeded().err):
        assert_calm(log)
    flow.finish("whole")
    read = offsets(flow.bootstrap, flow.readings)
    lost = len(read) - progress.judged()
    repeated = flow.assert_equal(_RUN, "whole")
    for what, seconds in turn.recoveries.items():
        row = {"a leader of three": 6, "all three brokers": 4, "the job": 20}[what]
        tell(Figures(row, f"killed: {what}", len(read), lost, repeated, len(seconds), recovery_s=max(seconds)))
    assert_one_outcome_each(lines(flow.outcomes(_RUN)), read)
    assert len(read) >= sender.sent
    for partition in range(_PARTITIONS):
        assert _committed(flow, partition) == sum(1 for place in read if place[0] == partition)
