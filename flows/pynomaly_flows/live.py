"""Run a flow live: state folder, doctor, dataflow, drain."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from pynomaly.application.repartition import Stage
from pynomaly.application.shard import Shard
from pynomaly.application.spec.flow import CheckpointSpec
from pynomaly.application.telemetry import Telemetry
from pynomaly.bootstrap import Services
from pynomaly.domain.error import PynomalyError, UnavailableError
from pynomaly.infrastructure.processes.settled_heap import settled_heap
from pynomaly.infrastructure.state_keys import state_keys
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.disk_room import DiskRoom, is_full_disk
from pynomaly_flows.drain import Drain
from pynomaly_flows.engine_step import Trace, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.foreseen import without_notices
from pynomaly_flows.partition import Surroundings
from pynomaly_flows.recovery_doctor import Examined
from pynomaly_flows.shard_folders import alone, one_of_many
from pynomaly_flows.side_files import SideFiles
from pynomaly_flows.source import Source, everything
from pynomaly_flows.stages import Inputs, Phase, Reading, identity_of, opened, phases_of
from pynomaly_flows.state_folder import StateFolder
from pynomaly_flows.topology import build_dataflow
from pynomaly_flows.unpickling import guarded_unpickling


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live run starts and stops.

    Parameters
    ----------
    state
        Folder of the durable state.
    until_end
        Stop, drained and durable, when every partition has reached the end it had at start.
    reset_state
        Forget the saved state first.
    shard
        The share of the partitions that is read, with its own folder in ``state``; None: all of them.
    supervised
        Another process holds ``state`` for all shards.
    stage
        The part of a flow with `keying: repartition` that this state is of; None: all of it.
    turn
        The part of such a whole flow that runs now, while shards wait for one another; None: as the flow has it.
    """

    state: Path
    until_end: bool = False
    reset_state: bool = False
    shard: Shard | None = None
    supervised: bool = False
    stage: Stage | None = None
    turn: Stage | None = None


def run_live(services: Services, telemetry: Telemetry, options: LiveOptions, trace: Trace = untraced) -> bool:
    """Run until told to stop by SIGTERM or SIGINT, or until the end; return when everything is durable.

    Parameters
    ----------
    services
        The flow.
    telemetry
        Told of every batch, checkpoint and delivery.
    options
        How the run starts and stops.
    trace
        Entered while a batch is judged.

    Returns
    -------
    bool
        Whether the input has ended, rather than that somebody stopped the flow.

    Raises
    ------
    PynomalyError
        Whatever stopped the flow, as the adapter or the engine said it.
    """
    drain = Drain(is_last_word=not options.supervised)
    with _held(options) as folder, drain.on_signals():
        run = _Run(services, telemetry, options, trace, folder, drain)
        for phase in phases_of(services, options.turn or options.stage, until_end=options.until_end):
            if not drain.requested:
                run.once(phase)
            while drain.reopens():
                run.once(phase)
        return not drain.requested


@dataclass(frozen=True, slots=True)
class _Run:
    services: Services
    telemetry: Telemetry
    options: LiveOptions
    trace: Trace
    folder: StateFolder
    drain: Drain

    def once(self, phase: Phase) -> None:
        """Run a phase from a start to the end or a drain; return when everything is durable."""
        services, folder, drain = self.services, self.folder, self.drain
        identity, keys = identity_of(services, self.options.stage), state_keys(services.spec.state)
        seals = folder.prepare(identity, keys)
        examined = folder.take_prepared(seals=seals)
        pace = _pace(services.spec.checkpoint, examined)
        room = DiskRoom(folder.recovery)
        around = Surroundings(drain, self.telemetry, room.check)
        reading = Reading(around, self.options.until_end, _share(self.options.shard), seals)
        engines = Engines(services.engine_for, SideFiles(folder.side), pace, drain, self.telemetry, room)
        with (
            guarded_unpickling(seals),
            _own_errors(),
            closing(engines),
            opened(services, phase, folder, examined, reading) as inputs,
            settled_heap(),
        ):
            self._run_dataflow(inputs, reading, engines, pace)
            while drain.resumes() and not inputs.at_end:
                if pace.is_unfit:
                    pace.adjust()
                folder.prepare(identity, keys)
                folder.take_prepared(seals=seals)
                self._run_dataflow(inputs, reading, engines, pace)

    def _run_dataflow(self, inputs: Inputs, reading: Reading, engines: Engines, pace: CheckpointPace) -> None:
        name, outputs = self.services.plan.name, self.services.outputs(self.folder.output_ledger(reading.seals))

        def judging(source: Source) -> Dataflow:
            return build_dataflow(name, source, engines, outputs, self.telemetry, self.trace, seals=reading.seals)

        self.telemetry.checkpoint_interval_chosen(pace.interval_s)
        run_main(
            inputs.dataflow(name, judging, reading),
            epoch_interval=timedelta(seconds=pace.interval_s),
            recovery_config=RecoveryConfig(self.folder.recovery),
        )


def _pace(checkpoint: CheckpointSpec, examined: Examined) -> CheckpointPace:
    state_bytes = sum(file.size for file in examined.side_files)
    return CheckpointPace(checkpoint.every_ns / 1e9, checkpoint.share, state_bytes, checkpoint.longest_ns / 1e9)


@contextmanager
def _held(options: LiveOptions) -> Generator[StateFolder]:
    """Hold the state folder for the length of a block."""
    root, shard = options.state, options.shard
    if shard is not None:
        with one_of_many(root, shard, supervised=options.supervised, reset=options.reset_state) as folder:
            yield folder
        return
    with alone(root, None, reset=options.reset_state):
        yield StateFolder(root)


def _share(shard: Shard | None) -> Callable[[str], bool]:
    return everything if shard is None else shard.owns


@contextmanager
def _own_errors() -> Generator[None]:
    """Raise the error that an adapter or the engine raised, instead of what Bytewax wrapped around it."""
    try:
        with without_notices():
            yield
    except BaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, PynomalyError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            raise cause from None
        if is_full_disk(error):
            raise UnavailableError(
                f"recovery store must have room on its disk, had none ({error}): make room; the next start goes on "
                "from the last checkpoint"
            ) from None
        raise
