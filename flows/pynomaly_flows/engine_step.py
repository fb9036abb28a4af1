"""The engine as Bytewax's stateful step: one engine for each key group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Final

import bytewax.operators as op

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine
from pynomaly.application.observe import observe
from pynomaly.application.telemetry import Telemetry
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_flows.engines import Engines
from pynomaly_flows.foreseen import foreseen

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

    def __init__(self, engines: Engines, telemetry: Telemetry, trace: Trace, resume_state: bytes | None) -> None:
        self._engines = engines
        self._telemetry = telemetry
        self._trace = trace
        self._state = resume_state
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._stopped = False

    @foreseen
    def on_batch(self, values: list[RecordBatch]) -> tuple[Sequence[DetectionResult], bool]:
        """Process batches in order; the key group is never discarded.

        Behind a result that was stopped comes nothing: the outputs end the flow when they have delivered what it holds.
        """
        return [self._process(batch) for batch in values if not self._stopped], False

    @foreseen
    def snapshot(self) -> bytes:
        """Return the engine's state, or where it is, as verifiable bytes; of a stopped one, bytes that no engine takes.

        The epoch of a stop never becomes durable, because an output raises in it.
        """
        if self._stopped:
            return _NO_STATE
        return (self._state or b"") if self._stream is None else self._engines.save(self._stream)

    def _process(self, batch: RecordBatch) -> DetectionResult:
        engine = self._engine or self._open(batch.stream)
        since = perf_counter()
        with self._trace(batch):
            result = engine.process(batch)
        self._stopped = result.stopped is not None
        observe(result, engine, perf_counter() - since, self._telemetry)
        return result

    def _open(self, stream: Stream) -> Engine:
        self._engine = self._engines.open(stream, self._state)
        self._stream = stream
        self._state = None
        return self._engine
