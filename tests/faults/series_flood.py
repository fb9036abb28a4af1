"""A process that lets new series flood one stream, and says what that took: ``python -m faults.series_flood``."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict, dataclass

import numpy as np
import psutil

from pynomaly.application.flow_plan import FlowPlan
from pynomaly.bootstrap import engine_factory
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.series import Admission

BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Flood:
    """What a flood left: series and what became of them, and by how much the process grew, half-way and at the end."""

    live: int
    displaced: int
    half_way_bytes: int
    grown_bytes: int


def _batch(first: int) -> RecordBatch:
    number = np.arange(first, first + BATCH)
    key = KeyColumn.of([b"host-%07d" % one for one in number])
    return RecordBatch(Stream("s"), number, number, key, np.ones((BATCH, 1)), np.zeros(BATCH, np.uint8))


def flood(records: int, limit: int) -> Flood:
    """Show a stream as many series as records."""
    scoring = ScoringPlan(("value",), (Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions()), (0,)),))
    engine = engine_factory(FlowPlan("flood", ("value",), scoring, None, Admission(limit)))(Stream("s"))
    engine.process(_batch(0))
    process = psutil.Process()
    before, displaced, held = process.memory_info().rss, 0, list[int]()
    for first in range(BATCH, records, BATCH):
        displaced += sum(engine.process(_batch(first)).evicted.values())
        if first + BATCH in {records // 2, records}:
            gc.collect()
            held.append(process.memory_info().rss - before)
    return Flood(engine.series_count, displaced, *held)


if __name__ == "__main__":
    json.dump(asdict(flood(int(sys.argv[1]), int(sys.argv[2]))), sys.stdout)
