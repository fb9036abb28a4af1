"""Run a flow live: state folder, doctor, dataflow, drain."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from pynomaly.application.engine import Engine, EngineFactory
from pynomaly.application.shard import Shard
from pynomaly.application.telemetry import Telemetry
from pynomaly.bootstrap import Services
from pynomaly.domain.error import PynomalyError
from pynomaly.domain.record import Stream
from pynomaly_flows.drain import Drain
from pynomaly_flows.engine_step import Trace, untraced
from pynomaly_flows.settled_heap import settled_heap
from pynomaly_flows.shard_folders import alone, one_of_many
from pynomaly_flows.source import Source, everything
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
    shard
        The share of the partitions that is read, with its own folder in ``state``; None: all of them.
    supervised
        Another process holds ``state`` for all shards.
    """

    state: Path
    until_end: bool = False
    reset_state: bool = False
    shard: Shard | None = None
    supervised: bool = False


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
    drain = Drain()
    with _held(options) as folder, drain.on_signals():
        _run_once(services, telemetry, options, folder, drain, trace)
        while drain.reopens():
            _run_once(services, telemetry, options, folder, drain, trace)


def _run_once(
    services: Services, telemetry: Telemetry, options: LiveOptions, folder: StateFolder, drain: Drain, trace: Trace
) -> None:
    """Run from a start to the end or a drain; return when everything is durable."""
    folder.prepare(FlowIdentity(services.plan.name, services.plan.fingerprint))
    inputs = services.source_for(folder.starts)
    known = folder.take_prepared()
    source = Source(inputs, drain, telemetry, known, bounded=options.until_end, owns=_share(options.shard))
    outputs = services.outputs(folder.outputs)
    with guarded_unpickling(), _own_errors(), _closing(services.engine_for) as engine_for:
        flow = build_dataflow(services.plan.name, source, engine_for, outputs, telemetry, trace)
        with source, settled_heap():
            run_main(
                flow,
                epoch_interval=timedelta(seconds=services.checkpoint_every_s),
                recovery_config=RecoveryConfig(folder.recovery),
            )


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
def _closing(engine_for: EngineFactory) -> Generator[EngineFactory]:
    """Close every engine at the end of a block: Bytewax does not tell its steps that it is over."""
    with ExitStack() as opened:

        def open_engine(stream: Stream) -> Engine:
            engine = engine_for(stream)
            opened.callback(engine.close)
            return engine

        yield open_engine


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
