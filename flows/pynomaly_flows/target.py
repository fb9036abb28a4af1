r"""A flow as a plain Bytewax target.

::

    python -m pynomaly_flows.target prepare flows/kafka.yaml state/kafka
    python -m bytewax.run "pynomaly_flows.target:flow('flows/kafka.yaml', 'state/kafka')" \
        -r state/kafka/recovery -s 10 -b 0

The first command runs the doctor; it is needed before every start, and a start without it is refused. Everything
else is as under ``pynomaly run``: the same engine, the same checks, the same drain on SIGTERM.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from bytewax.dataflow import Dataflow

from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import PynomalyError
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly_flows.drain import Drain
from pynomaly_flows.settled_heap import settle_heap
from pynomaly_flows.source import Source
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
from pynomaly_flows.topology import build_dataflow
from pynomaly_flows.unpickling import install_guard

_locks: list[IO[str]] = []  # held until the process ends


def flow(path: str, state: str, *, until_end: bool = False) -> Dataflow:
    """Build the dataflow of a flow file, on a state folder that was prepared for this start."""
    folder = StateFolder(Path(state))
    _locks.append(folder.lock())
    folder.take_prepared()
    services = _load(path)
    install_guard()
    drain = Drain()
    drain.install()
    telemetry = NoTelemetry()
    source = Source(services.source, drain, telemetry, bounded=until_end)
    dataflow = build_dataflow(
        services.plan.name, source, services.engine_for, services.outputs(folder.outputs), telemetry
    )
    settle_heap()
    return dataflow


def prepare(path: str, state: str) -> None:
    """Create or doctor the state folder of a flow for one start."""
    plan = _load(path).plan
    folder = StateFolder(Path(state))
    with folder.lock():
        folder.prepare(FlowIdentity(plan.name, plan.fingerprint))


def _load(path: str) -> Services:
    return services_of(load_flow(Path(path), os.environ))


def main(arguments: list[str]) -> int:
    """Run ``prepare FLOW STATE``."""
    if len(arguments) != 3 or arguments[0] != "prepare":
        sys.stderr.write("usage: python -m pynomaly_flows.target prepare FLOW STATE\n")
        return 64
    try:
        prepare(arguments[1], arguments[2])
    except PynomalyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
