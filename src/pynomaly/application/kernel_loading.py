"""Load or compile a flow's machine code before its first record."""

from __future__ import annotations

from typing import Final

import numpy as np

from pynomaly.application.engine import EngineFactory
from pynomaly.domain.origin import Origins
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream

LOADING_KERNELS: Final = "loading kernels; the first start of a flow compiles them"


def load_kernels(engine_for: EngineFactory, fields: int) -> None:
    """Send a batch without records through an engine of its own: types, not values, decide what is compiled."""
    stream = Stream("no records")
    engine = engine_for(stream)
    try:
        engine.process(_no_records(stream, fields))
    finally:
        engine.close()


def _no_records(stream: Stream, fields: int) -> RecordBatch:
    """Return a batch whose arrays are laid out as the decoders' are: a read-only key buffer, values row by row."""
    none = np.zeros(0, np.int64)
    values, refusal = np.zeros((0, fields)), np.zeros(0, np.uint8)
    origins = Origins("", np.zeros((0, 4), np.int64))
    return RecordBatch(
        stream, none, none, KeyColumn.of([]), values, refusal, source_id=KeyColumn.of([]), origins=origins
    )
