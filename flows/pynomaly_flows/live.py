"""Run a flow live: state folder, doctor, dataflow, drain."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from pynomaly.application.spec.flow import CheckpointSpec
from pynomaly.application.telemetry import Telemetry
from pynomaly.bootstrap import Services
from pynomaly.domain.error import PynomalyError
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.drain import Drain
from pynomaly_flows.engine_step import Trace, untraced
from pynomaly_flows.engines import Engines
from pynomaly_flows.recovery_doctor import Examined
from pynomaly_flows.settled_heap import settled_heap
from pynomaly_flows.side_files import SideFiles
from pynomaly_flows.source import Source
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
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
    """

    state: Path
    until_end: bool = False
    reset_state: bool = False


def run_live(services: Services, telemetry: Telemetry, options: LiveOptions, trace: Trace = untraced) -> None:
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

    Raises
    ------
    PynomalyError
        Whatever stopped the flow, as the adapter or the engine said it.
    """
    folder = StateFolder(options.state)
    drain = Drain()
    with folder.lock():
        if options.reset_state:
            folder.reset()
        identity = FlowIdentity(services.plan.name, services.plan.fingerprint)
        folder.prepare(identity)
        examined = folder.take_prepared()
        pace = _pace(services.spec.checkpoint, examined)
        source = Source(
            services.source_for(folder.starts),
            lambda: drain.requested or pace.too_fast,
            telemetry,
            examined.partitions,
            bounded=options.until_end,
        )
        outputs = services.outputs(folder.outputs)
        engines = Engines(services.engine_for, SideFiles(folder.side), pace, telemetry)
        with guarded_unpickling(), drain.on_signals(), _own_errors(), closing(engines), source, settled_heap():
            while True:
                telemetry.checkpoint_interval_chosen(pace.interval_s)
                run_main(
                    build_dataflow(services.plan.name, source, engines, outputs, telemetry, trace),
                    epoch_interval=timedelta(seconds=pace.interval_s),
                    recovery_config=RecoveryConfig(folder.recovery),
                )
                if drain.requested or source.at_end or not pace.too_fast:
                    break
                pace.slow_down()
                folder.prepare(identity)
                folder.take_prepared()


def _pace(checkpoint: CheckpointSpec, examined: Examined) -> CheckpointPace:
    state_bytes = sum(file.size for file in examined.side_files)
    return CheckpointPace(checkpoint.every_ns / 1e9, checkpoint.share, state_bytes)


@contextmanager
def _own_errors() -> Generator[None]:
    """Raise the error that an adapter or the engine raised, instead of what Bytewax wrapped around it."""
    try:
        yield
    except BaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, PynomalyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise cause from None
