r"""A flow as a plain Bytewax target.

::

    python -m pynomaly_flows.target prepare flows/kafka.yaml state/kafka
    python -m bytewax.run "pynomaly_flows.target:flow('flows/kafka.yaml', 'state/kafka')" \
        -r state/kafka/recovery -s 10 -b 0

The first command runs the doctor; it is needed before every start, and a start without it is refused, as is one of
another flow or on another store. Several processes on one state folder, given ``-i`` and ``-a``, are a cluster: one
preparation is good for one start of all of them. Engine, recovery and drain on SIGTERM are those of ``pynomaly run``;
metrics are not served, and the group's offsets stand one checkpoint back after the end.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.run import _parse_args  # pyright: ignore[reportPrivateUsage] # no public way to ask

from pynomaly.application.telemetry import NoTelemetry
from pynomaly.bootstrap import Services, services_of
from pynomaly.domain.error import ConfigError, Problem, PynomalyError, StateError, TransientError
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.infrastructure.processes.settled_heap import settle_heap
from pynomaly.infrastructure.state_keys import state_keys
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.disk_room import DiskRoom
from pynomaly_flows.drain import Drain
from pynomaly_flows.early_end import end_unless_begun
from pynomaly_flows.engines import Engines
from pynomaly_flows.key_group import ONLY_WORKER, Worker
from pynomaly_flows.partition import Surroundings
from pynomaly_flows.shard_folders import check_count
from pynomaly_flows.side_files import SideFiles
from pynomaly_flows.source import Source
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
from pynomaly_flows.topology import build_dataflow
from pynomaly_flows.unpickling import install_guard

_held = ExitStack()  # until the process ends: the lock of the folder, and the watch over calls


def flow(path: str, state: str, *, until_end: bool = False) -> Dataflow:
    """Build the dataflow of a flow file, on a state folder that was prepared for this start."""
    services = _load(path)
    folder = StateFolder(Path(state))
    started = _parse_args()
    _check_store(folder, started.recovery_directory)
    check_count(folder.root, None)
    worker = _worker(started)
    _held.enter_context(folder.lock(shared=worker.count > 1))
    folder.check_prepared()
    seals = folder.check_identity(_identity(services), state_keys(services.spec.state))
    examined = folder.take_prepared(worker, seals)
    install_guard(seals)
    drain = _UnpausedDrain()
    drain.install()
    telemetry = NoTelemetry()
    known = examined.partitions
    room = DiskRoom(folder.recovery)
    inputs = services.source_for(folder.source_ledger(seals))
    around = Surroundings(drain, telemetry, room.check)
    source = Source(inputs, around, known, bounded=until_end, here=worker.has)
    pace = CheckpointPace(shortest_s=1, share=1)  # Bytewax's own command line has set the interval
    engines = Engines(services.engine_for, SideFiles(folder.side), pace, drain, telemetry, room)
    end_unless_begun(source.has_begun)
    dataflow = build_dataflow(
        services.plan.name,
        source,
        engines,
        services.outputs(folder.output_ledger(seals)),
        telemetry,
        in_cluster=worker.count > 1,
        seals=seals,
    )
    _held.enter_context(services.calls.watched(end_hung))
    settle_heap()
    return dataflow


def end_hung(error: TransientError) -> None:
    """Say which detector does not return, and end this process as a kill does: nothing can be drained."""
    sys.stderr.write(f"error: {error}\n")
    sys.stderr.flush()
    os._exit(os.EX_TEMPFAIL)


class _UnpausedDrain(Drain):
    """Nobody starts the dataflow again in a process that Bytewax runs: what would mend itself ends it."""

    def pause(self) -> None:
        raise TransientError("the wall clock must not be set back, was: Bytewax would checkpoint no more; start again")


def prepare(path: str, state: str) -> None:
    """Create or doctor the state folder of a flow for one start."""
    services = _load(path)
    folder = StateFolder(Path(state))
    with folder.lock():
        folder.prepare(_identity(services), state_keys(services.spec.state))


def _check_store(folder: StateFolder, given: str | None) -> None:
    """Refuse a start that would read and write another store than the one that was prepared, or none."""
    if given is None or Path(given).resolve() != folder.recovery.resolve():
        raise StateError(f"bytewax.run must be given -r {folder.recovery}, was given {given}")


def _worker(started: Namespace) -> Worker:
    """Return which worker of the cluster this process is; workers are processes, for threads would share the GIL."""
    if started.workers_per_process not in {None, 1}:
        rule = f"must be 1, was {started.workers_per_process}: give each worker a process of its own, by -i and -a"
        raise ConfigError(Problem("bytewax.run -w", rule))
    if started.process_id is None:
        return ONLY_WORKER
    return Worker(started.process_id, len(started.addresses.split(";")))


def _identity(services: Services) -> FlowIdentity:
    return FlowIdentity(services.plan.name, services.plan.fingerprint)


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
