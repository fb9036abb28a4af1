"""Windows and models that are fitted anew survive kills in the middle of a fit, and replay exactly.

CI: 24,000 records through windows, 2 x 1,600 through models, two kills each. ``E2E_SIZE=full``: ten times as many
records, three kills.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from brokers.kafka_topics import KafkaTopics, until
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Job, Program
from e2e.size import size
from e2e.traffic import Traffic, send, spread
from e2e.verifier import REFITTED, Stored, lines, structured, without_repeats

_TIMES = size(1, 10)
_KILLS = size(2, 3)
_WITHIN_S = size(120, 900)
_REFIT_EVERY = 500
_BATCH = 100  # small, so that a fit spans several checkpoints

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(size(300, 3_600))]


def _forest(name: str, **settings: object) -> dict[str, object]:
    """Return a part that is fitted anew every 500 records of its partition."""
    schedule = {"window": 500, "refit_every": _REFIT_EVERY, "adopt_after": 250, "group_by": "stream"}
    return {"pyod": name, **schedule, "calibration": {"warm_up": 50}, **settings}


def _replayed(flow: FlowRuns, folder: Path) -> dict[str, dict[str, object]]:
    flow.replay("--output", "replayed.jsonl", "--batch-records", "37", within_s=_WITHIN_S)
    found = list(lines(folder / "replayed.jsonl"))
    assert len({event["id"] for event in found}) == len(found)
    return {event["id"]: event for event in found}


def _as_files_hold_them(messages: list[Stored]) -> dict[str, dict[str, object]]:
    return {id_: structured(message) for id_, message in without_repeats(messages).items()}


def _fitting(job: Job) -> psutil.Process | None:
    """Return the process of the fits if it is at work, not waiting for its next task."""
    for child in job.children():
        try:
            if "pynomaly.infrastructure.adapted.fit_worker" in child.cmdline() and child.cpu_percent(0.05) > 0:
                return child
        except psutil.NoSuchProcess:
            continue
    return None


def _kill_while_fitting(job: Job) -> None:
    """Kill the flow and its fit, once a fit is at work."""

    def at_work() -> bool:
        assert job.alive, job.err
        return _fitting(job) is not None

    until(at_work, "a fit is running", 60.0)
    assert job.kill().code == -9


def test_sliding_windows_survive_kills_and_replay(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """A flow of sliding windows, killed again and again, alerts like a whole run and like a replay."""
    changes = {
        "source": {"batch_records": _BATCH},
        "window": {"size": "20s", "slide": "5s", "aggregates": ["mean", "max", "count"]},
        "detectors": [{"detector": "ew_zscore", "fields": ["value.mean"], "calibration": {"warm_up": 50}}],
        "alert": TALKATIVE,
        "persistence": None,
        "output": {"late": {"kind": "file", "path": "${OUTCOMES}.late"}},
    }
    readings = unique_name("readings")
    flow = FlowRuns.of("windowed", changes, program, kafka, tmp_path / "flow.yaml", readings, every="100ms")
    flow.create_topics(3, ("broken", "whole"))
    steps = 4_000 * _TIMES
    send(kafka.bootstrap, readings, Traffic(6, steps, 3, spread(steps // 60, range(steps), 6)).records())

    for _ in range(_KILLS):
        job = flow.start("broken")
        flow.await_new_epoch(job, "broken")
        job.kill()
    for run in ("broken", "whole"):
        flow.finish(run, _WITHIN_S)
    flow.assert_equal("broken", "whole", 10)
    assert _replayed(flow, tmp_path) == _as_files_hold_them(flow.alerted("whole"))


def test_fits_survive_kills_and_replay(
    kafka: KafkaTopics, program: Program, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    """Killed again and again while a model is fitted, the flow adopts the same models, by hash, and alerts the same."""
    changes = {
        "source": {"batch_records": _BATCH},
        "detectors": [_forest("IForest"), _forest("HBOS")],
        "alert": TALKATIVE,
    }
    readings = unique_name("readings")
    flow = FlowRuns.of("kafka", changes, program, kafka, tmp_path / "flow.yaml", readings, every="50ms")
    flow.create_topics(2, ("broken", "whole"))
    steps = 320 * _TIMES
    send(kafka.bootstrap, readings, Traffic(10, steps, 2, spread(steps // 10, range(steps), 10)).records())

    for _ in range(_KILLS):
        _kill_while_fitting(flow.start("broken"))
    for run in ("broken", "whole"):
        flow.finish(run, _WITHIN_S)
    flow.assert_equal("broken", "whole", 20)
    models = [event.data for event in flow.alerted("whole") if event.header("ce_type") == REFITTED]
    fits = (steps * 10 // 2 - 250) // _REFIT_EVERY
    assert len(models) == 2 * 2 * fits, "two parts in two partitions"
    assert all(len(model["model_hash"]) >= 32 for model in models)
    assert len({model["model_hash"] for model in models}) == len(models), "every fit sees another window"
    assert _replayed(flow, tmp_path) == _as_files_hold_them(flow.alerted("whole"))
