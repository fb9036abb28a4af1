"""Copies of a state folder that were taken while the flow worked: each goes on as if nothing had been.

A process that is stopped in the middle leaves on disk what a loss of power would. The truth is an uninterrupted run.
CI: one copy and a backup, at 3,000 records/s. ``E2E_SIZE=full``: 20 copies.
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
from e2e.traffic import PacedSender, Traffic
from e2e.verifier import Stored, assert_one_outcome_each, lines, offsets, stored, without_repeats
from fault_table import Figures

_COPIES: Final = size(1, 20)
_RATE: Final = 3_000
_SERIES: Final = 1_000  # 500 in a partition: their state lies in side files
_PARTITIONS: Final = 2
_STEPS: Final = _RATE * 300 // _SERIES
_RUN: Final = "broken"
_KEY: Final = "key-of-the-copied-state-0123456789abcdef"

pytestmark = [pytest.mark.kafka, pytest.mark.ordeal, pytest.mark.timeout(size(200, 1_800))]


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


def test_every_copy_goes_on(
    kafka: KafkaTopics,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """Each record has one outcome, and the alerts before and after the copy are those of an uninterrupted run."""
    changes = {"alert": TALKATIVE, "state": {"key": _KEY}}
    flow = FlowRuns.of("kafka", changes, program, kafka, tmp_path / "flow.yaml", unique_name("readings"), every="500ms")
    flow.create_topics(_PARTITIONS, (_RUN, "whole"))
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

    truth = without_repeats(flow.finish("whole"))
    records = offsets(kafka.bootstrap, flow.readings)
    whole = sorted(flow.outcomes("whole").read_bytes().splitlines())
    lost = repeated = 0
    for number, copy in enumerate(copies):
        later = _go_on(flow, copy, f"{flow.readings}-copy-{number}")
        alerts = without_repeats([*copy.alerted, *later])
        lost += len(truth.keys() - alerts.keys())
        repeated += len(copy.alerted) + len(later) - len(alerts)
        assert alerts == truth
        outcomes = copy.folder / flow.outcomes(_RUN).name
        assert_one_outcome_each(lines(outcomes), records)
        assert sorted(outcomes.read_bytes().splitlines()) == whole
    tell(Figures(31, "state copied at a random moment", sent, lost, repeated, len(copies), note="one of them a backup"))
    assert lost == 0
