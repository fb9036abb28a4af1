"""A flow that runs as a program of its own, watched through its metrics."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml
from prometheus_client.parser import text_string_to_metric_families

_PYNOMALY = str(Path(sys.executable).with_name("pynomaly"))
_POLL_S = 0.05


class RunningFlow:
    """`pynomaly run`, in a folder that keeps its state; may be started again after a crash.

    Parameters
    ----------
    folder
        For the flow file, the state and the log.
    spec
        The flow, without its metrics.
    """

    def __init__(self, folder: Path, spec: Mapping[str, object]) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._listen = f"127.0.0.1:{_free_port()}"
        self._file = folder / "flow.yaml"
        self._file.write_text(yaml.safe_dump({**spec, "metrics": {"listen": self._listen}}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; it is not ready yet."""
        command = [_PYNOMALY, "run", str(self._file), "--state", str(self._folder / "state"), "--log-level=warning"]
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs start from byte code
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        """Take the program away as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let the program drain."""
        self._end(signal.SIGTERM)

    def metric(self, name: str) -> float:
        """Return a metric, summed over its labels; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self._listen}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name)

    def wait_for(self, condition: Callable[[], bool], deadline_s: float) -> None:
        """Wait until a condition holds.

        Raises
        ------
        RuntimeError
            When it does not hold in time, or the program has ended.
        """
        until = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > until or self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the flow must get there within {deadline_s:g} s, did not: {self._log.read_text()}")
            time.sleep(_POLL_S)

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(120)

    def __enter__(self) -> Self:
        """Start the program."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
