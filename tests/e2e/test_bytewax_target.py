"""The same flow under plain `python -m bytewax.run`: the same alerts, and no start that the doctor has not seen.

CI: 40,000 records. ``E2E_SIZE=full``: 400,000 records.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.size import size
from e2e.traffic import Traffic, send, spread

_SERIES = 40
_STEPS = size(1_000, 10_000)
_PARTITIONS = 2

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(size(300, 1_200))]


@pytest.fixture
def flow(kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]) -> FlowRuns:
    """A flow over a full topic, for a run under Bytewax's own command and one under ours."""
    changes = {"alert": TALKATIVE, "source": {"batch_records": 500}}
    runs = FlowRuns.of("kafka", changes, program, kafka, tmp_path / "flow.yaml", unique_name("readings"))
    runs.create_topics(_PARTITIONS, ("bytewax", "whole"))
    traffic = Traffic(_SERIES, _STEPS, _PARTITIONS, spread(_STEPS // 25, range(_STEPS), _SERIES))
    send(kafka.bootstrap, runs.readings, traffic.records())
    return runs


def _prepare(flow: FlowRuns) -> Job:
    state = str(flow.state("bytewax"))
    command = ("-m", "pynomaly_flows.target", "prepare", str(flow.file), state)
    return flow.program.start_python(*command, **flow.environment("bytewax"))


def _bytewax_run(flow: FlowRuns, *, until_end: bool, file: Path | None = None, store: Path | None = None) -> Job:
    state = flow.state("bytewax")
    target = f"pynomaly_flows.target:flow({str(file or flow.file)!r}, {str(state)!r}, until_end={until_end})"
    command = ("-m", "bytewax.run", target, "-r", str(store or state / "recovery"), "-s", "1", "-b", "0")
    return flow.program.start_python(*command, **flow.environment("bytewax"))


def test_plain_bytewax_gives_the_same_alerts(flow: FlowRuns) -> None:
    """Drained once by SIGTERM and prepared again, the target ends with the alerts of `pynomaly run`."""
    _prepare(flow).wait().succeeded()
    first = _bytewax_run(flow, until_end=False)
    flow.await_new_epoch(first, "bytewax")
    first.terminate().succeeded()
    _prepare(flow).wait().succeeded()
    _bytewax_run(flow, until_end=True).wait().succeeded()
    flow.finish("whole")
    assert flow.assert_equal("bytewax", "whole") == 0


def test_a_start_without_the_doctor_is_refused(flow: FlowRuns) -> None:
    """Neither a folder that was never prepared nor one that was run since is started, and the text says what to do."""
    for prepared in (False, True):
        if prepared:
            _prepare(flow).wait().succeeded()
            _bytewax_run(flow, until_end=True).wait().succeeded()
        before = len(flow.alerted("bytewax"))
        refused = _bytewax_run(flow, until_end=True).wait()
        assert refused.code != 0
        assert "must be prepared before each start, was not: run `python -m pynomaly_flows.target" in refused.err
        assert len(flow.alerted("bytewax")) == before


def test_another_flow_and_another_store_are_refused(flow: FlowRuns, tmp_path: Path) -> None:
    """What was prepared for one flow on one store starts nothing else: it would begin at zero without a word."""
    _prepare(flow).wait().succeeded()
    other = tmp_path / "other.yaml"
    other.write_text(flow.file.read_text().replace("- ew_zscore", "- running_range"))
    (tmp_path / "elsewhere").mkdir()
    wrong_store = _bytewax_run(flow, until_end=True, store=tmp_path / "elsewhere").wait()
    wrong_flow = _bytewax_run(flow, until_end=True, file=other).wait()
    assert (wrong_store.code, wrong_flow.code) == (1, 1)
    assert "bytewax.run must be given -r" in wrong_store.err
    assert "fingerprint must be" in wrong_flow.err
    assert flow.alerted("bytewax") == []
