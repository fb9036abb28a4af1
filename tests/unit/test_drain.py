"""Signals: the first one drains and says so, a second one does not wait for an output that is away."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_FLOW = """
import logging, signal, sys, threading
from pynomaly_flows.drain import Drain

now = [0.0]
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s %(signal)s")
drain = Drain(is_last_word={is_last_word}, clock=lambda: now[0])
drain.install()
for at in {times}:
    now[0] = at
    signal.raise_signal(signal.SIGTERM)
    assert drain.requested
    for thread in threading.enumerate():
        thread.name == "drain" and thread.join()
"""


def _signalled(times: list[float], *, is_last_word: bool = True) -> subprocess.CompletedProcess[str]:
    program = _FLOW.format(is_last_word=is_last_word, times=times)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_second_signal_ends_the_process_as_a_kill_does() -> None:
    """The first is told once, and only asks."""
    ended = _signalled([0.0, 5.0])
    assert ended.returncode == -signal.SIGTERM, ended.stderr
    assert ended.stdout == "flow_draining SIGTERM\n"


@pytest.mark.parametrize(("times", "is_last_word"), [([0.0, 0.5], True), ([0.0, 5.0], False)])
def test_what_is_no_second_request(times: list[float], is_last_word: bool) -> None:  # noqa: FBT001 - a parameter of cases
    """A launcher that passes on what the terminal has sent already; a supervisor, which kills by itself."""
    ended = _signalled(times, is_last_word=is_last_word)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "flow_draining SIGTERM\n"
