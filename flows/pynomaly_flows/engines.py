"""The engines of one process: made, resumed, saved, and kept while the dataflow is started anew around them."""

from __future__ import annotations

from time import perf_counter

from pynomaly.application.engine import Engine, EngineFactory
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import StateError
from pynomaly.domain.record import Stream
from pynomaly_flows.checkpoint_pace import CheckpointPace
from pynomaly_flows.disk_room import DiskRoom
from pynomaly_flows.drain import Drain
from pynomaly_flows.side_files import SideFiles


class Engines:
    """One engine for each stream.

    Parameters
    ----------
    engine_for
        Makes the engine of a stream.
    files
        Take the states that are too large for the recovery store.
    pace
        Told what checkpoints cost.
    drain
        Asked to pause the dataflow when they have come to cost too much.
    telemetry
        Told of every checkpoint.
    room
        Asked before the recovery store is written to; None: nobody looks after it.
    """

    def __init__(
        self,
        engine_for: EngineFactory,
        files: SideFiles,
        pace: CheckpointPace,
        drain: Drain,
        telemetry: Telemetry,
        room: DiskRoom | None = None,
    ) -> None:
        self._engine_for = engine_for
        self._files = files
        self._pace = pace
        self._drain = drain
        self._telemetry = telemetry
        self._room = room
        self._open: dict[Stream, Engine] = {}
        self._saved: dict[Stream, bytes] = {}

    def open(self, stream: Stream, state: bytes | None) -> Engine:
        """Return the engine of a stream as it was when ``state`` was saved; None or nothing: as new.

        Raises
        ------
        StateError
            When the state is damaged or another flow's.
        """
        engine = self._open.get(stream)
        if engine is not None and state == self._saved.get(stream):
            return engine
        if engine is not None:
            engine.close()
        engine = self._open[stream] = self._engine_for(stream)
        if state:
            self._restore(engine, stream, state)
        return engine

    def save(self, stream: Stream) -> bytes:
        """Make the state of a stream's engine durable up to the returned bytes, which the recovery store keeps.

        Raises
        ------
        UnavailableError
            When the state folder does not take it.
        """
        since = perf_counter()
        saved = self._files.save(stream, self._open[stream].image())
        if self._room is not None:
            self._room.grow(stream, len(saved.state))
        seconds = perf_counter() - since
        self._saved[stream] = saved.state
        self._pace.checkpoint_written(stream, seconds)
        if self._pace.is_unfit:
            self._drain.pause()
        self._telemetry.checkpoint_written(stream, seconds, saved.size)
        return saved.state

    def close(self) -> None:
        """Close every engine: Bytewax does not tell its steps that it is over."""
        for engine in self._open.values():
            engine.close()
        self._open.clear()

    def _restore(self, engine: Engine, stream: Stream, state: bytes) -> None:
        """Restore an engine; the engine itself knows nothing of folders and flags, by which an operator gets out."""
        try:
            engine.take_over(self._files.load(stream, state))
        except StateError as error:
            if "--reset-state" in str(error):
                raise
            raise StateError(
                f"{error}; give the flow its own --state folder, or start over with --reset-state"
            ) from error
