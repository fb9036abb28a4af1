"""The engine as Bytewax's stateful step: one engine for each key group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Final

import bytewax.operators as op

from pynomaly.application.engine import DetectionResult, Engine, EngineFactory
from pynomaly.application.observe import observe
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.error import StateError
from pynomaly.domain.record import RecordBatch, Stream

#: Makes what is entered while a batch is judged: a span of a trace, or nothing.
Trace = Callable[[RecordBatch], AbstractContextManager[object]]

_NO_STATE: Final = b"stopped"


def untraced(_batch: RecordBatch) -> AbstractContextManager[object]:
    """Trace nothing."""
    return nullcontext()


class EngineStep(op.StatefulBatchLogic[RecordBatch, DetectionResult, bytes]):
    """Feeds the batches of one key group to its engine.

    The engine is made at the first batch, because only a batch knows its stream; until then the step holds on to
    the state it was resumed with.
    """

    def __init__(
        self, engine_for: EngineFactory, telemetry: Telemetry, trace: Trace, resume_state: bytes | None
    ) -> None:
        self._engine_for = engine_for
        self._telemetry = telemetry
        self._trace = trace
        self._state = resume_state
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._stopped = False

    def on_batch(self, values: list[RecordBatch]) -> tuple[Sequence[DetectionResult], bool]:
        """Process batches in order; the key group is never discarded.

        Behind a result that was stopped comes nothing: the outputs end the flow when they have delivered what it holds.
        """
        return [self._process(batch) for batch in values if not self._stopped], False

    def snapshot(self) -> bytes:
        """Return the engine's state as verifiable bytes; of a stopped one, bytes that no engine would take.

        The epoch of a stop never becomes durable, because an output raises in it.
        """
        if self._stopped:
            return _NO_STATE
        if self._engine is None:
            return self._state or b""
        since = perf_counter()
        state = self._engine.snapshot()
        if self._stream is not None:
            self._telemetry.checkpoint_written(self._stream, perf_counter() - since, len(state))
        return state

    def _process(self, batch: RecordBatch) -> DetectionResult:
        engine = self._engine or self._open(batch)
        self._stream = batch.stream
        since = perf_counter()
        with self._trace(batch):
            result = engine.process(batch)
        self._stopped = result.stopped is not None
        observe(result, engine, perf_counter() - since, self._telemetry)
        return result

    def _open(self, batch: RecordBatch) -> Engine:
        self._engine = self._engine_for(batch.stream)
        if self._state:
            _restore(self._engine, self._state)
        self._state = None
        return self._engine


def _restore(engine: Engine, state: bytes) -> None:
    """Restore an engine; the engine itself knows nothing of folders and flags, by which an operator gets out."""
    try:
        engine.restore(state)
    except StateError as error:
        raise StateError(f"{error}; give the flow its own --state folder, or start over with --reset-state") from error
