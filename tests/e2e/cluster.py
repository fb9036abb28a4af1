"""A flow as the target of Bytewax's own runner, in several processes."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import psutil

from e2e.flow_runs import FlowRuns


class Cluster:
    """Processes of `python -m bytewax.run` on the state folder of one run of a flow.

    Parameters
    ----------
    flow, run
        Whose.
    processes
        How many.
    until_end
        Whether they stop at the end that the input has now.
    """

    def __init__(self, flow: FlowRuns, run: str, processes: int, *, until_end: bool = False) -> None:
        state = flow.state(run)
        program, environment = flow.program, flow.environment(run)
        prepare = ("-m", "pynomaly_flows.target", "prepare", str(flow.file), str(state))
        program.start_python(*prepare, **environment).wait().succeeded()
        target = f"pynomaly_flows.target:flow({str(flow.file)!r}, {str(state)!r}, until_end={until_end})"
        command = ("-m", "bytewax.run", target, "-r", str(state / "recovery"), "-s", "1", "-b", "0")
        addresses = ";".join(f"127.0.0.1:{port}" for port in _free_ports(processes))
        self.jobs = [
            program.start_python(*command, "-i", str(index), "-a", addresses, **environment)
            for index in range(processes)
        ]

    def drain(self) -> None:
        """Ask all to stop as an orchestrator does, and wait."""
        for job in self.jobs:
            psutil.Process(job.pid).terminate()
        self.wait()

    def wait(self) -> None:
        """Wait until all have ended well."""
        for job in self.jobs:
            job.wait().succeeded()


def workers_of_starts(state: Path) -> list[int]:
    """Return how many workers each start on a cluster's state folder had."""
    with closing(sqlite3.connect(state / "recovery" / "part-0.sqlite3")) as store:
        return [count for (count,) in store.execute("SELECT worker_count FROM exs ORDER BY ex_num")]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
