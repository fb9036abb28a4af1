"""The real program in processes of its own: started, watched, killed, and gone when the test ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

WITHIN_S: Final = 120.0
PYNOMALY: Final = str(Path(sys.executable).with_name("pynomaly"))


@dataclass(frozen=True, slots=True)
class Ended:
    """What a process left behind.

    Parameters
    ----------
    code
        Exit status; negative for the signal that ended it.
    out, err
        What it wrote.
    seconds
        From the moment somebody began to wait for it to its end [s].
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def complaints(self) -> list[str]:
        """Lines that begin as errors do."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    def succeeded(self) -> Ended:
        """Fail the test unless the exit status is 0."""
        assert self.code == 0, self.err
        return self


class Job:
    """One running process; its output goes to files, so that it never waits for a reader."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str], number: int) -> None:
        self._out, self._err = folder / f"job-{number}.out", folder / f"job-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def err(self) -> str:
        """What it has written to standard error by now."""
        return self._err.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        """Return the processes that it has started and that still run."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def wait(self, within_s: float = WITHIN_S) -> Ended:
        """Wait for its end, and fail if it does not come in time."""
        since = time.monotonic()
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"must end within {within_s:g} s, was still running; it wrote:\n{self.err}") from None
        return Ended(code, self._out.read_text(errors="replace"), self.err, time.monotonic() - since)

    def terminate(self, within_s: float = WITHIN_S) -> Ended:
        """Ask it to stop as an operator does, and wait."""
        self.ask_to_stop()
        return self.wait(within_s)

    def ask_to_stop(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask it to stop, and do not wait."""
        self._process.send_signal(signal_number)

    def kill(self) -> Ended:
        """End it and all that it started without a chance to tidy up, as a lost machine does."""
        for process in (*self.children(), self._process):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return self.wait()


class Program:
    """Starts the program in one folder.

    Parameters
    ----------
    folder
        Where it runs: relative paths of flows begin here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: list[Job] = []

    def start(self, *arguments: str | Path, **environment: str) -> Job:
        """Start `pynomaly` with arguments and further environment variables."""
        return self.start_command([PYNOMALY, *map(str, arguments)], environment)

    def run(self, *arguments: str | Path, within_s: float = WITHIN_S, **environment: str) -> Ended:
        """Run `pynomaly` to its end."""
        return self.start(*arguments, **environment).wait(within_s)

    def start_python(self, *arguments: str | Path, **environment: str) -> Job:
        """Start the interpreter of the tests with arguments."""
        return self.start_command([sys.executable, *map(str, arguments)], environment)

    def start_command(self, command: Sequence[str], environment: dict[str, str]) -> Job:
        """Start any command."""
        job = Job(command, self._folder, {**os.environ, **environment}, len(self._jobs))
        self._jobs.append(job)
        return job

    def close(self) -> None:
        """Kill whatever still runs."""
        for job in self._jobs:
            if job.alive:
                job.kill()
