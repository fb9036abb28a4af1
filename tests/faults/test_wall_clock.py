"""A wall clock that jumps while a flow runs: nobody may notice but the log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from brokers.kafka_topics import KafkaTopics
from e2e.flow_runs import TALKATIVE, FlowRuns
from e2e.job import Program
from e2e.traffic import PacedSender, Traffic, spread
from e2e.verifier import assert_one_outcome_each, lines, offsets
from fault_table import Figures

_SERIES: Final = 20
_STEPS: Final = 2_000
_RATE: Final = 2_000
_JUMPS: Final = ("-2h", "+1h")


@pytest.fixture
def library() -> Path:
    """The libfaketime of the system; CI installs it."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        message = "libfaketime must be installed (Debian: faketime)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.mark.kafka
@pytest.mark.slow
def test_a_wall_clock_that_jumps(
    library: Path,
    kafka: KafkaTopics,
    program: Program,
    tmp_path: Path,
    unique_name: Callable[[str], str],
    tell: Callable[[Figures], None],
) -> None:
    """Two hours back and an hour ahead under traffic: the drain ends with 0, alerts are those of a steady clock."""
    flow = FlowRuns.of("kafka", {"alert": TALKATIVE}, program, kafka, tmp_path / "flow.yaml", unique_name("readings"))
    flow.create_topics(2, ("broken", "whole"))
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    job = program.start("run", flow.file, "--state", "state-broken", **flow.environment("broken"), **faked)
    flow.await_new_epoch(job, "broken")
    traffic = Traffic(_SERIES, 10 * _STEPS, 2, spread(_STEPS // 4, range(_STEPS), _SERIES))
    sender = PacedSender(flow.bootstrap, flow.readings, traffic.records(), _RATE)
    sender.start()
    for jump in _JUMPS:
        flow.await_new_epoch(job, "broken")
        clock.write_text(jump)
        flow.await_new_epoch(job, "broken")
        time.sleep(0.3)  # into the next epoch: when exactly must not matter
    sender.stop()
    ended = job.terminate().succeeded()
    assert "Traceback" not in ended.err
    assert ended.complaints == []
    for run in ("broken", "whole"):
        flow.finish(run)
    read = offsets(flow.bootstrap, flow.readings)
    assert_one_outcome_each(lines(flow.outcomes("broken")), read)
    repeats = flow.assert_equal("broken", "whole", 10)
    tell(Figures(17, "wall clock -2 h, +1 h", len(read), 0, repeats, len(_JUMPS)))
    assert repeats == 0
