"""Engines of small flows over the readings of pumps, and batches for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from pynomaly.application.engine import Engine
from pynomaly.application.flow_plan import FlowPlan, Kernels
from pynomaly.domain.adapted import AcceptedRows, PartContext
from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES, HalfSpaceTreesOptions
from pynomaly.domain.event import Event, ModelRefitted, event_id
from pynomaly.domain.kernel import render
from pynomaly.domain.outcome import Reason
from pynomaly.domain.plan import AdaptedSource, NativeSource, Part, ScoringPlan
from pynomaly.domain.recent_ids import mark_repeats
from pynomaly.domain.record import KeyColumn, RawRecord, RecordBatch, Stream
from pynomaly.domain.series import Admission
from pynomaly.domain.series.table import find_slots, rebuild
from pynomaly.domain.state import StateImage
from pynomaly.domain.windows import WindowPlan
from pynomaly.domain.windows.absorb import absorb
from pynomaly.infrastructure.kernels import KernelLibrary

STREAM = Stream("readings", 2, "first")
RECORDS = 1_500
_STEP_NS = 250


@dataclass
class _EveryTenth:
    """An adapted part that scores the size of a value, and tells of a model at every tenth row that it accepts."""

    context: PartContext
    rows: int = 0

    def process(self, rows: AcceptedRows) -> tuple[np.ndarray, tuple[Event, ...]]:
        events = [
            self._event(int(offset), number)
            for number, offset in enumerate(rows.offset, self.rows + 1)
            if number % 10 == 0
        ]
        self.rows += len(rows)
        return np.abs(rows.values[:, 0]), tuple(events)

    def forget(self, series: np.ndarray) -> None:
        """Tell no series from another."""

    def snapshot(self) -> StateImage:
        return StateImage({"rows": self.rows}, {})

    def restore(self, image: StateImage) -> None:
        self.rows = int(str(image.header["rows"]))

    def close(self) -> None:
        """Hold nothing."""

    def _event(self, offset: int, number: int) -> ModelRefitted:
        flow, stream, part = self.context.flow, self.context.stream, self.context.part
        identity = event_id("model-refitted", flow, stream, offset, part, number)
        return ModelRefitted(identity, flow, stream, offset, "stream", part, number, "", number)


_CALIBRATION = CalibrationOptions(half_life=500.0, warm_up=20)
NATIVE = (Part("spikes", NativeSource(EW_ZSCORE, EwZScoreOptions(half_life=50.0, warm_up=5)), (0,), _CALIBRATION),)
_ADAPTED = (Part("sizes", AdaptedSource(_EveryTenth), (0,), _CALIBRATION),)
_TREES = HalfSpaceTreesOptions(trees=1, depth=1, window=10)  # a row of state that ends in padding
_POLICY = AlertPolicyOptions(watch=0.8, warning=None, critical=None, bump=0.0, habituation=0.0)


def plan_of(*parts: Part, window: WindowPlan | None = None, series_limit: int = 100) -> FlowPlan:
    """Return the plan of a flow with these parts."""
    names = ("value",) if window is None else ("value.mean",)
    admission = Admission(series_limit, evicts=False)
    return FlowPlan(
        "pumps", ("value",), ScoringPlan(names, parts, common=Channel(policy=_POLICY)), window, admission, "as written"
    )


WINDOW = WindowPlan(2_000, 1_000, ("mean",), lateness_ns=500, max_jump_ns=50_000)
FLOWS = {
    "records": plan_of(*NATIVE, *_ADAPTED, series_limit=8),
    "windows": plan_of(*NATIVE, *_ADAPTED, window=WINDOW, series_limit=8),
    "ids": replace(plan_of(*NATIVE, series_limit=8), dedupe_horizon=50),
    "trees": plan_of(Part("trees", NativeSource(HALF_SPACE_TREES, _TREES), (0,), _CALIBRATION)),
}
every_flow = pytest.mark.parametrize("flow", FLOWS)


@cache
def kernels_of(plan: ScoringPlan) -> Kernels:
    """Return what is compiled for a plan, once."""
    library = KernelLibrary.default()
    entries = (library.entry(function) for function in (find_slots, absorb, mark_repeats, rebuild))
    return Kernels(library.fused(render(plan)), *entries)


def engine_of(plan: FlowPlan, stream: Stream = STREAM) -> Engine:
    """Return an engine that has seen nothing yet."""
    return Engine(plan, stream, kernels_of(plan.scoring))


def batch_of(
    *records: tuple[str, int, float], first_offset: int = 0, refusal: Iterable[int] | None = None
) -> RecordBatch:
    """Make a batch of (series, time, value)."""
    keys, times, values = zip(*records, strict=True)
    return RecordBatch(
        STREAM,
        np.arange(first_offset, first_offset + len(records)),
        np.array(times, np.int64),
        KeyColumn.of([key.encode() for key in keys]),
        np.array(values, np.float64)[:, np.newaxis],
        np.zeros(len(records), np.uint8) if refusal is None else np.fromiter(refusal, np.uint8),
        lambda row: RawRecord(f"record {first_offset + row}".encode()),
        KeyColumn.of([b"%d" % (first_offset + row) for row in range(len(records))]),
    )


def readings() -> RecordBatch:
    """Nine series, one more than fits, with spikes, late records, absurd times, repeats, and records that are none."""
    random = np.random.default_rng(5)
    times = _STEP_NS * np.arange(RECORDS) - random.integers(0, 400, RECORDS)
    times[random.random(RECORDS) < 0.02] -= 20_000
    times[random.random(RECORDS) < 0.01] += 10**12
    values = random.normal(20.0, 1.0, RECORDS) + 40.0 * (random.random(RECORDS) < 0.03)
    keys = [f"pump-{number}" for number in random.integers(0, 9, RECORDS)]
    refusal = np.where(random.random(RECORDS) < 0.02, int(Reason.MALFORMED), 0)
    batch = batch_of(*zip(keys, times.tolist(), values.tolist(), strict=True), refusal=refusal)
    back = random.integers(0, 2, RECORDS) * random.integers(0, 100, RECORDS)
    return replace(batch, source_id=KeyColumn.of([b"%d" % number for number in np.arange(RECORDS) - back]))


def batches_of(whole: RecordBatch, sizes: Iterable[int]) -> Iterator[RecordBatch]:
    """Cut a batch into batches of these sizes, until it is used up."""
    start = 0
    for size in sizes:
        if start >= len(whole):
            return
        yield whole.slice(start, start + size)
        start += size
