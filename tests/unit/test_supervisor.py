"""The supervisor of processes: restarts, gives up, drains, kills, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from brokers.kafka_topics import until
from pynomaly.application.exit_status import may_mend
from pynomaly.infrastructure.processes.restart import Failures, RestartPolicy
from pynomaly.infrastructure.processes.supervisor import Child, Supervisor

_SOON = RestartPolicy(most_in_a_row=3, first_s=0.01, longest_s=0.02)
_DRAINS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({status}))
print("ready", flush=True)
time.sleep(60)
"""
_STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@dataclass
class _Diary:
    """Writes down what it is told; asks the supervisor to stop once so many children are ready."""

    stop_at: int = 0
    signals: int = 1
    over_after: int = 1  # starts
    events: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    pids: list[int] = field(default_factory=list[int])

    def started(self, name: str, pid: int) -> None:
        self.events.append(("started", name))
        self.pids.append(pid)

    def told(self, name: str, line: bytes) -> None:
        self.events.append(("told", name, line))
        if self.count("told") == self.stop_at:
            for _ in range(self.signals):
                signal.raise_signal(signal.SIGTERM)

    def ended(self, name: str, status: int, restart_in_s: float | None) -> None:
        self.events.append(("ended", name, status, restart_in_s is not None))

    def is_over(self, name: str) -> bool:
        return self.events.count(("started", name)) >= self.over_after

    def draining(self) -> None:
        self.events.append(("draining",))

    def killed(self, names: Sequence[str]) -> None:
        self.events.append(("killed", *sorted(names)))

    def count(self, kind: str) -> int:
        return sum(event[0] == kind for event in self.events)


def _child(name: str, program: str) -> Child:
    return Child(name, [sys.executable, "-S", "-c", program])


def _run(diary: _Diary, *children: Child, drain_s: float = 30.0) -> int:
    async def supervise() -> int:
        return await Supervisor(children, diary, may_mend, drain_s, _SOON).run()

    status = asyncio.run(supervise())
    assert not [pid for pid in diary.pids if psutil.pid_exists(pid)], "nobody is left running"
    return status


def test_all_done_is_zero() -> None:
    """A process that ends with 0 is not started again; what it prints is handed on by line."""
    diary = _Diary()
    assert _run(diary, _child("a", "print('one'); print('two')"), _child("b", "")) == 0
    assert diary.count("started") == 2
    assert [event for event in diary.events if event[0] == "told"] == [("told", "a", b"one\n"), ("told", "a", b"two\n")]


def test_a_crash_is_mended_by_a_restart(tmp_path: Path) -> None:
    """Killed once, the process is started again, and all ends well."""
    mark = str(tmp_path / "mark")
    program = f"import os\nif not os.path.exists({mark!r}): open({mark!r}, 'w'); os.kill(os.getpid(), 9)"
    diary = _Diary()
    assert _run(diary, _child("a", program)) == 0
    assert diary.events == [
        ("started", "a"),
        ("ended", "a", -9, True),
        ("started", "a"),
        ("ended", "a", 0, False),
    ]


def test_a_process_that_was_stopped_alone_is_started_again() -> None:
    """Its 0 says that it drained, not that its work is over; that is no failure, however often it happens."""
    diary = _Diary(over_after=_SOON.most_in_a_row + 3)
    assert _run(diary, _child("a", "")) == 0
    ends = [event for event in diary.events if event[0] == "ended"]
    assert ends == [("ended", "a", 0, True)] * (diary.over_after - 1) + [("ended", "a", 0, False)]


@pytest.mark.parametrize("status", [os.EX_CONFIG, os.EX_DATAERR, os.EX_NOINPUT, os.EX_NOPERM, os.EX_UNAVAILABLE])
def test_what_a_restart_cannot_mend_stops_all(status: int) -> None:
    """The others are drained, and the status is that of the one that failed."""
    diary = _Diary()
    failing = _child("a", f"import sys; sys.stdin.read(); sys.exit({status})")
    assert _run(diary, failing, _child("b", _DRAINS.format(status=0))) == status
    assert ("ended", "a", status, False) in diary.events
    assert diary.count("draining") == 1


def test_too_many_crashes_in_a_row_stop_all() -> None:
    """After three restarts the fourth failure is final; a killed process counts as a shell counts."""
    diary = _Diary()
    assert _run(diary, _child("a", "import os; os.kill(os.getpid(), 9)")) == 128 + 9
    assert [event for event in diary.events if event[0] == "ended"] == [("ended", "a", -9, True)] * 3 + [
        ("ended", "a", -9, False)
    ]


def test_a_signal_drains_all() -> None:
    """Each process is asked to end by SIGTERM; when all did, the status is 0."""
    diary = _Diary(stop_at=2)
    program = _DRAINS.format(status=0)
    assert _run(diary, _child("a", program), _child("b", program)) == 0
    assert diary.count("draining") == 1
    assert diary.count("killed") == 0


def test_a_failure_while_draining_is_told() -> None:
    """A drain that loses something must not look like one that did not; nothing is started again."""
    diary = _Diary(stop_at=1)
    assert _run(diary, _child("a", _DRAINS.format(status=75))) == 75
    assert diary.count("started") == 1


@pytest.mark.parametrize(("signals", "drain_s"), [(2, 30.0), (1, 0.05)])
def test_who_does_not_drain_is_killed(signals: int, drain_s: float) -> None:
    """At the second signal, or at the deadline."""
    diary = _Diary(stop_at=1, signals=signals)
    assert _run(diary, _child("a", _STUBBORN), drain_s=drain_s) == 128 + 9
    assert ("killed", "a") in diary.events


class _WatcherError(Exception):
    """What a watcher raises, as when standard output is closed."""


def test_an_error_in_the_supervisor_leaves_nobody_behind() -> None:
    """Whatever happens here, the processes end first."""

    class Broken(_Diary):
        def told(self, name: str, line: bytes) -> None:  # noqa: ARG002 - the port's
            raise _WatcherError

    with pytest.raises(_WatcherError):
        _run(Broken(), _child("a", _STUBBORN), _child("b", _STUBBORN))


def test_a_child_dies_with_a_killed_parent() -> None:
    """Even where nobody can tidy up: the parent is killed by SIGKILL."""
    child = (
        "import os, sys, time; from pynomaly.infrastructure.processes.lifeline import end_with_parent;"
        "end_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys;"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())], start_new_session=True).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        until(lambda: not psutil.pid_exists(pid), "the child is gone", 5.0)


def test_waits_grow_to_a_bound_and_are_spread() -> None:
    """Twice the wait each time, up to half of it taken away; a long good run forgets what was before."""
    policy = RestartPolicy(most_in_a_row=4, first_s=1.0, longest_s=4.0, settled_s=60.0)
    failures = Failures(policy, lambda: 0.0)
    assert [failures.wait_s(0.1) for _ in range(5)] == [1.0, 2.0, 4.0, 4.0, None]
    assert failures.wait_s(60.0) == 1.0
    assert Failures(policy, lambda: 0.5).wait_s(0.1) == 0.75


def test_which_failures_a_restart_may_mend() -> None:
    """A crash, a bug and an outage; what did not answer at a first start will not at the second."""
    assert all(may_mend(code, again=False) for code in (-9, -6, 1, os.EX_SOFTWARE, os.EX_TEMPFAIL, os.EX_IOERR))
    assert not any(may_mend(code, again=True) for code in (os.EX_USAGE, os.EX_CONFIG, os.EX_DATAERR, os.EX_NOINPUT))
    assert [may_mend(os.EX_UNAVAILABLE, again=again) for again in (False, True)] == [False, True]
