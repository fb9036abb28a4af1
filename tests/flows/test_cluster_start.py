"""A process of a Bytewax cluster that is alone: refused, or waiting for the others, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from brokers.kafka_topics import until
from pynomaly.domain.error import StateError
from pynomaly_flows.target import prepare

_FLOW = """
flow: pumps
source: {kind: files, path: data.csv, follow: true}
record: {time: {field: time, format: s}, values: [value]}
detectors: [ew_zscore]
output: {alerts: {kind: file, path: alerts.jsonl}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flow whose state is prepared for a start."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").write_text(_FLOW)
    (tmp_path / "data.csv").write_text("time,value\n1700000000,1\n")
    prepare("flow.yaml", "state")
    return tmp_path


@contextmanager
def _started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    target = "pynomaly_flows.target:flow('flow.yaml', 'state')"
    command = [sys.executable, "-m", "bytewax.run", target, "-r", "state/recovery", "-s", "1", "-b", "0", *arguments]
    with (folder / "process.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_that_waits_for_the_others_can_be_stopped(folder: Path) -> None:
    """It has nothing to drain; and while it lives the folder is neither prepared nor used by anybody else."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        addresses = ";".join(f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other))
    with _started(folder, "-i", "1", "-a", addresses) as process:
        until((folder / "state/claims/1-of-2").exists, "the process has claimed its place", 60.0)
        with pytest.raises(StateError, match="must not be in use"):
            prepare("flow.yaml", "state")
        until(lambda: "error" in (folder / "process.log").read_text(), "it looks for the others", 60.0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_detector_that_hangs_ends_the_process(folder: Path) -> None:
    """As under `pynomaly run`: calls are watched from the start on, and the end is told."""
    program = """
        import sys, threading
        from pynomaly.domain.error import TransientError
        from pynomaly_flows import target

        sys.argv = ["bytewax.run", "target", "-r", "state/recovery", "-s", "1", "-b", "0"]
        target.flow("flow.yaml", "state")
        if "pynomaly-calls" in [thread.name for thread in threading.enumerate()]:
            target.end_hung(TransientError("detector x must answer"))
    """
    ended = subprocess.run(
        [sys.executable, "-c", dedent(program)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (os.EX_TEMPFAIL, "error: detector x must answer\n")


def test_threads_as_workers_are_refused(folder: Path) -> None:
    """They would share the interpreter's lock, and partitions."""
    with _started(folder, "-w", "2") as process:
        assert process.wait(60) == 1
    assert "bytewax.run -w: must be 1, was 2" in (folder / "process.log").read_text()
