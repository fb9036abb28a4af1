"""Copies of a state folder that were taken while the flow worked: each goes on as if nothing had been.

A process that is stopped in the middle leaves on disk what a loss of power would. The truth is an uninterrupted run.
CI runs one copy over 10,000 records; the ordeal takes a copy and a backup at 3,000 records/s, with ``E2E_SIZE=full`` 20
copies.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.size import size
from e2e.traffic import PacedSender, Traffic, send
from e2e.verifier import (
    Stored,
    Toll,
    assert_one_outcome_each,
    lines,
    offsets,
    places,
    stored,
    toll,
    without_repeats,
)
from fault_table import Figures

_COPIES: Final = size(1, 20)
_RATE: Final = 3_000
_SERIES: Final = 1_000  # 500 in a partition: their state lies in side files
_PARTITIONS: Final = 2
_STEPS: Final = _RATE * 300 // _SERIES
_RUN: Final = "broken"
_KEY: Final = "key-of-the-copied-state-0123456789abcdef"

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(size(200, 1_800))]


@dataclass(frozen=True, slots=True)
class Copy:
    """A folder with what the flow had written at one moment, and the alerts that were out by then."""

    folder: Path
    alerted: list[Stored]


def _copy(flow: FlowRuns, job: Job, folder: Path) -> Copy:
    """Copy state and output files of a flow that stands still."""
    os.kill(job.pid, signal.SIGSTOP)
    try:
        folder.mkdir()
        shutil.copytree(flow.state(_RUN), folder / flow.state(_RUN).name)
        shutil.copy(flow.outcomes(_RUN), folder)
        return Copy(folder, flow.alerted(_RUN))
    finally:
        os.kill(job.pid, signal.SIGCONT)


def _back_up(flow: FlowRuns, folder: Path) -> Copy:
    """Take a backup of the running flow; the outcomes file is copied after it, for it may only be longer."""
    state = f"state-{_RUN}"
    done = flow.program.run("state", "backup", flow.file, folder / "backup", "--state", state, **flow.environment(_RUN))
    done.succeeded()
    shutil.copy(flow.outcomes(_RUN), folder)
    return Copy(folder, flow.alerted(_RUN))


def _go_on(flow: FlowRuns, copy: Copy, alerts: str) -> list[Stored]:
    """Let a copy run to the end of the topic elsewhere; return what it has alerted of."""
    flow.topics.create(alerts, 2)
    variables = flow.environment(_RUN) | {"KAFKA_ALERT_TOPIC": alerts}
    program = Program(copy.folder)
    if (copy.folder / "backup").exists():
        command = ("state", "restore", flow.file, "backup", "--state", f"state-{_RUN}")
        program.run(*command, **variables).succeeded()
    program.run("run", flow.file, "--until-end", "--state", f"state-{_RUN}", **variables).succeeded()
    return stored(flow.bootstrap, alerts)


def _flow(kafka: KafkaTopics, program: Program, folder: Path, readings: str) -> FlowRuns:
    changes = {"alert": TALKATIVE, "state": {"key": _KEY}}
    flow = FlowRuns.of("kafka", changes, program, kafka, folder / "flow.yaml", readings, every="500ms")
    flow.create_topics(_PARTITIONS, (_RUN, "whole"))
    return flow


def _assert_all_go_on(flow: FlowRuns, copies: list[Copy]) -> Toll:
    """Let each copy run to the end, compare it with an uninterrupted run, and count what is missing or repeated."""
    truth = without_repeats(flow.finish("whole"))
    records = offsets(flow.bootstrap, flow.readings)
    whole = sorted(flow.outcomes("whole").read_bytes().splitlines())
    costs = list[Toll]()
    for number, copy in enumerate(copies):
        found = [*copy.alerted, *_go_on(flow, copy, f"{flow.readings}-copy-{number}")]
        outcomes = copy.folder / flow.outcomes(_RUN).name
        costs.append(toll(places(lines(outcomes)), records, (alert.id for alert in found), truth))
        assert without_repeats(found) == truth
        assert_one_outcome_each(lines(outcomes), records)
        assert sorted(outcomes.read_bytes().splitlines()) == whole
    return Toll(sum(cost.lost for cost in costs), sum(cost.repeated for cost in costs))


@pytest.mark.slow
def test_one_copy_goes_on(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """CI: taken between two halves of the input, it gives with the alerts of before those of an uninterrupted run."""
    flow = _flow(kafka, program, tmp_path, unique_name("readings"))
    records = list(Traffic.spiky(100, 100, _PARTITIONS).records())
    send(kafka.bootstrap, flow.readings, records[: len(records) // 2])
    job = flow.start(_RUN)
    flow.await_new_epoch(job, _RUN)
    copy = _copy(flow, job, tmp_path / "copy")
    assert job.kill().code == -9
    send(kafka.bootstrap, flow.readings, records[len(records) // 2 :])
    assert _assert_all_go_on(flow, [copy]).lost == 0


@pytest.mark.ordeal
def test_every_copy_goes_on(
    kafka: KafkaTopics,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """Each record has one outcome, and the alerts before and after the copy are those of an uninterrupted run."""
    flow = _flow(kafka, program, tmp_path, unique_name("readings"))
    random = np.random.default_rng(31)
    sender = PacedSender(kafka.bootstrap, flow.readings, Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records(), _RATE)
    sender.start()
    job = flow.start(_RUN)
    copies = list[Copy]()
    for number in range(_COPIES):
        flow.await_new_epoch(job, _RUN)
        time.sleep(random.uniform(0.0, 1.0))  # that the moment is random is the point
        copies.append(_copy(flow, job, tmp_path / f"copy-{number}"))
    (tmp_path / "saved").mkdir()
    copies.append(_back_up(flow, tmp_path / "saved"))
    sent = sender.stop()
    assert job.terminate().code == 0
    cost, note = _assert_all_go_on(flow, copies), "one of them a backup"
    tell(Figures(31, "state copied at a random moment", sent, cost.lost, cost.repeated, len(copies), note=note))
    assert cost.lost == 0
