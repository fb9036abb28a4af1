"""A flow that is killed, stopped and started again under a running producer alerts as one that never was.

The truth is an uninterrupted run of the same flow over the same topic, with a state and outputs of its own. Kills come
at random moments, each after the store shows a new durable epoch.

CI: 5,000 records/s until the last stop, some 200,000 records. ``E2E_SIZE=full``: 20,000 records/s.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Program
from e2e.size import size
from e2e.traffic import PacedSender, Traffic, send
from e2e.verifier import assert_one_outcome_each, durable_epoch, lines, offsets
from fault_table import Figures

_RATE = size(5_000, 20_000)
_LONGEST_S = 240
_SERIES = 40
_PARTITIONS = 4
_STEPS = _RATE * _LONGEST_S // _SERIES
_KILLS = 6
_LONGEST_STOP_S = 10.0
_EPOCH_S = 1.0
_CLUSTERED = 3  # times as many alerts as on average may stand in the records of an epoch
_LONGEST_DELAY_S = 1.5  # after an epoch has become durable; epochs last a second

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(size(300, 1_200))]


@pytest.fixture
def flow(kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> FlowRuns:
    """A flow over an empty topic of four partitions, for a broken run and a whole one."""
    runs = FlowRuns.of("kafka", {"alert": TALKATIVE}, program, kafka, tmp_path / "flow.yaml", unique_name("readings"))
    runs.create_topics(_PARTITIONS, ("broken", "whole"))
    return runs


def _producing(flow: FlowRuns) -> PacedSender:
    """Return what sends readings, a spike in every 1,000, for the length of a block."""
    return PacedSender(flow.bootstrap, flow.readings, Traffic.spiky(_SERIES, _STEPS, _PARTITIONS).records(), _RATE)


def _finish_and_compare(flow: FlowRuns, least_alerts: int = 50) -> int:
    """Let both runs reach the end of the topic, compare them, and return the number of repeated alerts."""
    for run in ("broken", "whole"):
        flow.finish(run)
    assert_one_outcome_each(lines(flow.outcomes("broken")), offsets(flow.bootstrap, flow.readings))
    return flow.assert_equal("broken", "whole", least_alerts)


def test_six_kills_change_nothing(flow: FlowRuns, tell: Callable[[Figures], None]) -> None:
    """Killed at six random moments, the flow gives the alerts of an uninterrupted run once repeats are dropped."""
    random = np.random.default_rng(20)
    restarts_s = list[float]()
    with _producing(flow) as sender:
        for _ in range(_KILLS):
            since = time.monotonic()
            job = flow.start("broken")
            flow.await_new_epoch(job, "broken")
            restarts_s.append(time.monotonic() - since)
            time.sleep(random.uniform(0.0, _LONGEST_DELAY_S))  # that the moment is random is the point
            assert job.kill().code == -9
    repeats, toll = _finish_and_compare(flow), flow.toll("broken", "whole")
    figures = Figures(1, "job killed by signal 9", sender.sent, toll.lost, toll.repeated, _KILLS, max(restarts_s[1:]))
    tell(replace(figures, note="recovery: start of the program to its next durable epoch"))
    assert 0 < repeats == toll.repeated, "a kill must hit an epoch with alerts, or nothing is proved"
    alerts_a_record = len(flow.alerted("whole")) / sender.sent
    most = _RATE * (_EPOCH_S + 1.0) * _KILLS * alerts_a_record
    assert repeats <= _CLUSTERED * most, "a kill takes back no more than an epoch, and a second for its end"


def test_a_kill_in_the_first_epoch_changes_nothing(flow: FlowRuns) -> None:
    """Alerts that went out before anything was durable come again with the same bytes; a file has them once."""
    with _producing(flow):
        job = flow.start("broken", every="10m")
        until(lambda: len(flow.alerted("broken")) > 0, "a first alert", 60.0)
        assert job.kill().code == -9
        assert durable_epoch(flow.state("broken")) is None
    assert _finish_and_compare(flow, least_alerts=1) > 0


def test_a_kill_in_the_first_epoch_skips_nothing_of_the_latest(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """Started at the end of the topic and killed before anything is durable, the flow begins where it began before."""
    changes = {"alert": TALKATIVE, "source": {"start": "latest"}}
    flow = FlowRuns.of("kafka", changes, program, kafka, tmp_path / "flow.yaml", unique_name("readings"), every="10m")
    flow.create_topics(_PARTITIONS, ("broken",))
    old = send(flow.bootstrap, flow.readings, Traffic(_SERIES, 50, _PARTITIONS).records())
    before = offsets(flow.bootstrap, flow.readings)
    assert len(before) == old
    job = flow.start("broken")
    until(lambda: any((flow.state("broken") / "starts").glob("*.json")), "the flow has begun", 60.0)
    with _producing(flow):
        until(lambda: len(flow.alerted("broken")) > 0, "a first alert", 60.0)
        assert job.kill().code == -9
    flow.finish("broken")
    assert_one_outcome_each(lines(flow.outcomes("broken")), offsets(flow.bootstrap, flow.readings) - before)


def test_sigterm_and_sigint_lose_and_repeat_nothing(flow: FlowRuns, tell: Callable[[Figures], None]) -> None:
    """Asked to stop, the flow ends within ten seconds with exit status 0, and not one alert comes twice."""
    random = np.random.default_rng(21)
    stops_s = list[float]()
    with _producing(flow) as sender:
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            job = flow.start("broken")
            flow.await_new_epoch(job, "broken")
            time.sleep(random.uniform(0.0, _LONGEST_DELAY_S))
            job.ask_to_stop(asked)
            stops_s.append(job.wait().succeeded().seconds)
    repeats, toll = _finish_and_compare(flow), flow.toll("broken", "whole")
    note = f"longest stop {max(stops_s):.1f} s"
    tell(Figures(2, "SIGTERM, SIGINT", sender.sent, toll.lost, toll.repeated, len(stops_s), note=note))
    assert max(stops_s) < _LONGEST_STOP_S
    assert repeats == 0
