"""Replay equals live where series expire and displace each other: every kind of flow, cut and restarted at will."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import pytest

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine, EngineFactory
from pynomaly.application.flow_plan import FlowPlan
from pynomaly.bootstrap import engine_factory
from pynomaly.domain.adapted import AdaptedPart, PartContext
from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.event import AnomalyDetected, Event, ModelRefitted, SeriesEvicted, event_id
from pynomaly.domain.outcome import Reason
from pynomaly.domain.plan import AdaptedSource, NativeSource, Part, ScoringPlan
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.series import Admission, Eviction
from pynomaly.domain.windows import WindowPlan
from pynomaly.infrastructure.adapted.fitting import FitTask, fit
from pynomaly.infrastructure.adapted.pyod_part import PyodPart, PyodSettings
from pynomaly.infrastructure.adapted.refit_schedule import RefitSchedule
from pynomaly.infrastructure.adapted.river_part import river_part

_STREAM: Final = Stream("readings", 1, "first")
_RECORDS: Final = 2_000
_STEP_NS: Final = 250


class _InlineFits:
    """`Fits` without a process."""

    def submit(self, task: FitTask) -> Future[object]:
        future: Future[object] = Future()
        future.set_result(fit(task))
        return future

    def close(self) -> None:
        """Hold nothing."""


def _medians(context: PartContext) -> AdaptedPart:
    settings = PyodSettings("MAD", {}, ("value",), RefitSchedule(window=16, refit_every=40, adopt_after=4))
    return PyodPart(context, settings, _InlineFits())


_CALIBRATION = CalibrationOptions(half_life=500.0, warm_up=10)
_Z = Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions(half_life=20.0, warm_up=5)), (0,), _CALIBRATION)
_RIVER = river_part("HalfSpaceTrees", {"n_trees": 3, "height": 3, "window_size": 10}, ("value",))
_TREES = Part("trees", AdaptedSource(_RIVER), (0,), _CALIBRATION)
_MAD = Part("mad", AdaptedSource(_medians), (0,), _CALIBRATION)
_POLICY = AlertPolicyOptions(watch=0.6, warning=None, critical=None, bump=0.0, habituation=0.0)


def _plan(*parts: Part, admission: Admission, window: WindowPlan | None = None) -> FlowPlan:
    fields = ("value",) if window is None else ("value.mean",)
    return FlowPlan("pumps", ("value",), ScoringPlan(fields, parts, common=Channel(policy=_POLICY)), window, admission)


_WINDOW = WindowPlan(2_000, 1_000, ("mean",), lateness_ns=500, max_jump_ns=50_000)
_FLOWS = {
    "displacing": _plan(_Z, admission=Admission(4, sweep_records=100)),
    "expiring": _plan(_Z, admission=Admission(5, idle_ns=4_000, evicts=False, sweep_records=64)),
    "both": _plan(_Z, admission=Admission(5, idle_ns=4_000, sweep_records=64)),
    "windows": _plan(
        _Z,
        admission=Admission(5, idle_ns=4_000, evicts=False, max_jump_ns=50_000, sweep_records=64),
        window=_WINDOW,
    ),
    "River": _plan(_Z, _TREES, admission=Admission(5, idle_ns=4_000, sweep_records=64)),
    "PyOD": _plan(_MAD, _Z, admission=Admission(5, idle_ns=4_000, sweep_records=64)),
}
_every_flow = pytest.mark.parametrize("flow", _FLOWS)


@cache
def _factory(flow: str) -> EngineFactory:
    return engine_factory(_FLOWS[flow])


def _engine(flow: str) -> Engine:
    return _factory(flow)(_STREAM)


@cache
def _stream() -> RecordBatch:
    """Twelve series that come and go for a while each, with spikes, late records and records that were none."""
    random = np.random.default_rng(8)
    number = np.arange(_RECORDS)
    times = _STEP_NS * number - random.integers(0, 400, _RECORDS)
    times[random.random(_RECORDS) < 0.01] -= 20_000
    times[random.random(_RECORDS) < 0.01] += 40_000
    series = (random.integers(0, 5, _RECORDS) + number // 100) % 12
    values = random.normal(20.0, 1.0, _RECORDS) + 40.0 * (random.random(_RECORDS) < 0.04)
    refusal = np.where(random.random(_RECORDS) < 0.02, np.uint8(Reason.MALFORMED), np.uint8(0))
    key = KeyColumn.of([b"" if refused else b"pump-%d" % one for one, refused in zip(series, refusal, strict=True)])
    return RecordBatch(_STREAM, 3 * number + 7, times, key, values[:, np.newaxis], refusal)


@dataclass
class _Seen:
    """All that a run has told."""

    events: list[Event] = field(default_factory=list)
    reasons: list[int] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    windows: list[tuple[object, ...]] = field(default_factory=list)
    evicted: dict[Eviction, int] = field(default_factory=lambda: dict.fromkeys(Eviction, 0))

    def take(self, result: DetectionResult) -> None:
        self.events += result.events
        self.reasons += result.outcomes.reason.tolist()
        self.evidence += map(repr, result.outcomes.evidence.tolist())
        for cause, count in result.evicted.items():
            self.evicted[cause] += count
        if result.windows is not None:
            closed, outcomes = result.windows.closed, result.windows.outcomes
            columns = (closed.start_ns, closed.count, closed.closed_by_offset, outcomes.reason, outcomes.level)
            self.windows += zip(result.windows.series, *(column.tolist() for column in columns), strict=True)


def _run(flow: str, sizes: Callable[[], Iterator[int]], restart_every: int | None = None) -> tuple[_Seen, bytes]:
    engine, seen, start, number = _engine(flow), _Seen(), 0, 0
    for size in sizes():
        seen.take(engine.process(_stream().slice(start, start + size)))
        start, number = start + size, number + 1
        if restart_every is not None and number % restart_every == 0:
            state = engine.snapshot()
            engine.close()
            engine = _engine(flow)
            engine.restore(state)
        if start >= _RECORDS:
            break
    state = engine.snapshot()
    engine.close()
    return seen, state


def _forever(*sizes: int) -> Callable[[], Iterator[int]]:
    def endless() -> Iterator[int]:
        while True:
            yield from sizes

    return endless


@cache
def _whole(flow: str) -> tuple[_Seen, bytes]:
    return _run(flow, _forever(_RECORDS))


@_every_flow
@pytest.mark.parametrize(
    ("sizes", "restart_every"),
    [((3,), None), ((1, 100, 3, 0, 41), None), ((13,), 4), ((1, 100, 3), 1)],
    ids=["by three", "mixed", "restarted", "mixed, restarted"],
)
def test_cuts_and_restarts_carry_no_meaning(flow: str, sizes: tuple[int, ...], restart_every: int | None) -> None:
    """Events, reasons, evidence, windows, counts and our own bytes of the state are those of one batch."""
    cut, cut_state = _run(flow, _forever(*sizes), restart_every)
    whole, state = _whole(flow)
    assert cut == whole
    if flow not in {"PyOD", "River"}:  # equal models of other libraries are not equal bytes
        assert cut_state == state


@_every_flow
def test_the_stream_shows_what_it_is_for(flow: str) -> None:
    """In every flow series are evicted in the way that it names, some come again, and there are alerts."""
    seen, _ = _whole(flow)
    expired, displaced = seen.evicted[Eviction.EXPIRED], seen.evicted[Eviction.DISPLACED]
    admission = _FLOWS[flow].admission
    assert (expired > 10) == (admission.idle_ns > 0)
    assert (displaced > 10) == admission.evicts
    assert (Reason.SERIES_LIMIT in seen.reasons) == (not admission.evicts)
    kinds = {type(event) for event in seen.events}
    assert {AnomalyDetected, SeriesEvicted} <= kinds
    assert (ModelRefitted in kinds) == (flow == "PyOD")
    assert len({event.id for event in seen.events}) == len(seen.events)


@_every_flow
def test_evictions_are_told_once_a_sweep(flow: str) -> None:
    """The events hold all evictions up to the last sweep, stand at records, and name examples."""
    seen, _ = _whole(flow)
    told = [event for event in seen.events if isinstance(event, SeriesEvicted)]
    assert sum(event.expired for event in told) <= seen.evicted[Eviction.EXPIRED]
    assert sum(event.displaced for event in told) <= seen.evicted[Eviction.DISPLACED]
    assert sum(event.expired + event.displaced for event in told) > 0.8 * sum(seen.evicted.values())
    offsets = _stream().offset.tolist()
    for event in told:
        assert event.offset in offsets
        assert event.id == event_id("series-evicted", "pumps", _STREAM, event.offset)
        assert event.live <= _FLOWS[flow].admission.limit
        assert len(event.examples) == min(event.expired + event.displaced, 20)
        assert {name.partition("-")[0] for name in event.examples} == {"pump"}


def test_one_series_alone_is_scored_as_if_it_were_new() -> None:
    """After its eviction a series is scored like one that the stream never held: an engine that begins there agrees."""
    engine = _engine("displacing")
    whole = _stream()
    results = [engine.process(whole.slice(row, row + 1)) for row in range(_RECORDS)]
    names = [whole.key[row] for row in range(_RECORDS)]
    accepted = [row for row in range(_RECORDS) if whole.refusal[row] == 0]
    last: dict[bytes, int] = {}
    births: list[int] = []
    for row in accepted:
        name = names[row]
        if name not in last and len(last) == 4:
            del last[min(last, key=lambda known: last[known])]
        if name not in last:
            births.append(row)
        last[name] = row
    again = [row for row in births if names[row] in names[:row]]
    assert len(again) > 10
    for birth in again[::4]:
        following = [row for row in accepted if row >= birth and names[row] == names[birth]]
        lived = next((position for position, row in enumerate(following[1:], 1) if row in births), len(following))
        fresh = _engine("displacing")
        for row in following[:lived]:
            alone = fresh.process(whole.slice(row, row + 1))
            np.testing.assert_array_equal(alone.outcomes.evidence, results[row].outcomes.evidence)
            np.testing.assert_array_equal(alone.outcomes.score, results[row].outcomes.score)
