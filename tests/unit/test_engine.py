"""The engine: one stream's batches in, outcomes, events and state out, wherever batches are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine
from pynomaly.application.flow_plan import FlowPlan, Kernels
from pynomaly.application.observe import processed
from pynomaly.domain.adapted import AcceptedRows, PartContext
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import AlertPolicyOptions
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES, HalfSpaceTreesOptions
from pynomaly.domain.error import StateError
from pynomaly.domain.event import AnomalyDetected, Event, ModelRefitted, RecordLate, RecordRejected, event_id
from pynomaly.domain.kernel import render
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.plan import AdaptedSource, NativeSource, Part, ScoringPlan
from pynomaly.domain.recent_ids import mark_repeats
from pynomaly.domain.record import KeyColumn, RawRecord, RecordBatch, Stream
from pynomaly.domain.series import Admission
from pynomaly.domain.series.table import find_slots, rebuild
from pynomaly.domain.state import StateImage, join, pack, split, unpack
from pynomaly.domain.windows import WindowPlan
from pynomaly.domain.windows.absorb import absorb
from pynomaly.infrastructure.kernels import KernelLibrary

_STREAM = Stream("readings", 2, "first")
_RECORDS = 1_500
_STEP_NS = 250
_KINDS = (RecordRejected, RecordLate, ModelRefitted, AnomalyDetected)  # in the order of one record's events


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
_NATIVE = (Part("spikes", NativeSource(EW_ZSCORE, EwZScoreOptions(half_life=50.0, warm_up=5)), (0,), _CALIBRATION),)
_ADAPTED = (Part("sizes", AdaptedSource(_EveryTenth), (0,), _CALIBRATION),)
_TREES = HalfSpaceTreesOptions(trees=1, depth=1, window=10)  # a row of state that ends in padding
_POLICY = AlertPolicyOptions(watch=0.8, warning=None, critical=None, bump=0.0, habituation=0.0)


def _plan(*parts: Part, window: WindowPlan | None = None, series_limit: int = 100) -> FlowPlan:
    names = ("value",) if window is None else ("value.mean",)
    admission = Admission(series_limit, evicts=False)
    return FlowPlan("pumps", ("value",), ScoringPlan(names, parts, policy=_POLICY), window, admission, "as written")


_WINDOW = WindowPlan(2_000, 1_000, ("mean",), lateness_ns=500, max_jump_ns=50_000)
_FLOWS = {
    "records": _plan(*_NATIVE, *_ADAPTED, series_limit=8),
    "windows": _plan(*_NATIVE, *_ADAPTED, window=_WINDOW, series_limit=8),
    "ids": replace(_plan(*_NATIVE, series_limit=8), dedupe_horizon=50),
    "trees": _plan(Part("trees", NativeSource(HALF_SPACE_TREES, _TREES), (0,), _CALIBRATION)),
}
_every_flow = pytest.mark.parametrize("flow", _FLOWS)


@cache
def _kernels(plan: ScoringPlan) -> Kernels:
    library = KernelLibrary.default()
    entries = (library.entry(function) for function in (find_slots, absorb, mark_repeats, rebuild))
    return Kernels(library.fused(render(plan)), *entries)


def _engine(plan: FlowPlan, stream: Stream = _STREAM) -> Engine:
    return Engine(plan, stream, _kernels(plan.scoring))


def _batch(
    *records: tuple[str, int, float], first_offset: int = 0, refusal: Iterable[int] | None = None
) -> RecordBatch:
    """Make a batch of (series, time, value)."""
    keys, times, values = zip(*records, strict=True)
    return RecordBatch(
        _STREAM,
        np.arange(first_offset, first_offset + len(records)),
        np.array(times, np.int64),
        KeyColumn.of([key.encode() for key in keys]),
        np.array(values, np.float64)[:, np.newaxis],
        np.zeros(len(records), np.uint8) if refusal is None else np.fromiter(refusal, np.uint8),
        lambda row: RawRecord(f"record {first_offset + row}".encode()),
        KeyColumn.of([b"%d" % (first_offset + row) for row in range(len(records))]),
    )


def _stream() -> RecordBatch:
    """Nine series, one more than fits, with spikes, late records, absurd times, repeats, and records that are none."""
    random = np.random.default_rng(5)
    times = _STEP_NS * np.arange(_RECORDS) - random.integers(0, 400, _RECORDS)
    times[random.random(_RECORDS) < 0.02] -= 20_000
    times[random.random(_RECORDS) < 0.01] += 10**12
    values = random.normal(20.0, 1.0, _RECORDS) + 40.0 * (random.random(_RECORDS) < 0.03)
    keys = [f"pump-{number}" for number in random.integers(0, 9, _RECORDS)]
    refusal = np.where(random.random(_RECORDS) < 0.02, int(Reason.MALFORMED), 0)
    batch = _batch(*zip(keys, times.tolist(), values.tolist(), strict=True), refusal=refusal)
    back = random.integers(0, 2, _RECORDS) * random.integers(0, 100, _RECORDS)
    return replace(batch, source_id=KeyColumn.of([b"%d" % number for number in np.arange(_RECORDS) - back]))


def _cut(whole: RecordBatch, sizes: Iterable[int]) -> Iterator[RecordBatch]:
    start = 0
    for size in sizes:
        if start >= len(whole):
            return
        yield whole.slice(start, start + size)
        start += size


def _forever(*sizes: int) -> Iterator[int]:
    while True:
        yield from sizes


@dataclass
class _Seen:
    """All that a run has told."""

    events: list[Event] = field(default_factory=list)
    reasons: list[int] = field(default_factory=list)
    windows: list[tuple[object, ...]] = field(default_factory=list)

    def take(self, result: DetectionResult) -> None:
        self.events += result.events
        self.reasons += result.outcomes.reason.tolist()
        if result.windows is not None:
            closed, outcomes = result.windows.closed, result.windows.outcomes
            columns = (closed.start_ns, closed.count, closed.closed_by_offset, outcomes.reason, outcomes.level)
            self.windows += zip(result.windows.series, *(column.tolist() for column in columns), strict=True)


def _run(plan: FlowPlan, sizes: Iterable[int], restart_every: int | None = None) -> tuple[_Seen, bytes]:
    engine, seen = _engine(plan), _Seen()
    for number, batch in enumerate(_cut(_stream(), sizes), 1):
        seen.take(engine.process(batch))
        if restart_every is not None and number % restart_every == 0:
            state = engine.snapshot()
            engine = _engine(plan)
            engine.restore(state)
    return seen, engine.snapshot()


@_every_flow
@pytest.mark.parametrize(
    ("sizes", "restart_every"),
    [((1,), None), ((7,), None), ((1, 100, 3, 0, 41), None), ((7,), 3), ((1, 100, 3), 1)],
    ids=["one by one", "by seven", "mixed", "by seven, restarted", "mixed, restarted"],
)
def test_cuts_and_restarts_carry_no_meaning(flow: str, sizes: tuple[int, ...], restart_every: int | None) -> None:
    """Events in their order, reasons, windows and the bytes of the state are those of one batch."""
    whole, state = _run(_FLOWS[flow], [_RECORDS])
    cut, cut_state = _run(_FLOWS[flow], _forever(*sizes), restart_every)
    assert cut == whole
    assert cut_state == state


@pytest.mark.parametrize("flow", ["records", "windows"])
def test_events_stand_in_the_order_of_the_stream(flow: str) -> None:
    """Events go by the offset of their record, and for one record by kind; all kinds of the flow occur."""
    events = _run(_FLOWS[flow], [_RECORDS])[0].events
    places = [(event.offset, _KINDS.index(type(event))) for event in events]
    assert places == sorted(places)
    assert {type(event) for event in events} == set(_KINDS) - (set() if flow == "windows" else {RecordLate})
    assert len({event.id for event in events}) == len(events)


def test_a_window_is_told_at_the_record_that_closed_it() -> None:
    """The offset of a window's anomaly is that of a record; its id is made of the window's start."""
    seen, _ = _run(_FLOWS["windows"], [_RECORDS])
    alerted = [window for window in seen.windows if window[4] == Reason.ALERTED]
    anomalies = [event for event in seen.events if isinstance(event, AnomalyDetected)]
    assert len(anomalies) == len(alerted) >= 5
    for event, (series, start_ns, _, closed_by_offset, *_) in zip(anomalies, alerted, strict=True):
        assert (event.series, event.offset) == (series, closed_by_offset)
        assert event.window is not None
        assert (event.window.start_ns, event.time_ns) == (start_ns, event.window.end_ns)
        assert event.id == event_id(
            "window-anomaly-2000", "pumps", _STREAM, event.window.start_ns, event.series, "watch"
        )


def test_an_anomaly_is_told_at_its_record() -> None:
    """The event of a record holds what the batch and the outcomes hold."""
    batch = _stream()
    result = _engine(_FLOWS["records"]).process(batch)
    anomalies = [event for event in result.events if isinstance(event, AnomalyDetected)]
    rows = np.flatnonzero(result.outcomes.outcome == Outcome.ANOMALOUS).tolist()
    assert [event.offset for event in anomalies] == rows
    assert len(rows) >= 5
    for event, row in zip(anomalies, rows, strict=True):
        assert event.id == event_id("anomaly", "pumps", _STREAM, row, event.series, "watch")
        assert event.series == batch.key[row].decode()
        assert (event.time_ns, event.values) == (batch.time_ns[row], {"value": batch.values[row, 0]})
        assert [part.part for part in event.parts] == ["spikes", "sizes"]
        assert sum(part.contribution for part in event.parts) == pytest.approx(event.evidence)


def test_a_series_too_many_is_rejected() -> None:
    """Records of a further series are told as rejected with their bytes; known series go on."""
    engine = _engine(_plan(*_NATIVE, series_limit=2))
    result = engine.process(_batch(("a", 1, 1.0), ("b", 2, 1.0), ("c", 3, 1.0), ("a", 4, 1.0), first_offset=10))
    assert result.outcomes.reason.tolist() == [
        Reason.DETECTOR_WARMING,
        Reason.DETECTOR_WARMING,
        Reason.SERIES_LIMIT,
        Reason.DETECTOR_WARMING,
    ]
    expected = event_id("rejected", "pumps", _STREAM, 12)
    raw = RawRecord(b"record 12")
    assert result.events == (RecordRejected(expected, "pumps", _STREAM, 12, Reason.SERIES_LIMIT, raw),)
    assert engine.series_count == 2


def test_a_repeat_is_no_record_at_all() -> None:
    """It is counted, and neither judged, nor learned, nor told, nor does it bring a series or a time."""
    plan = replace(_plan(*_NATIVE), dedupe_horizon=2)
    engine, single = _engine(plan), _engine(plan)
    twice = _batch(("a", 1, 1.0), ("b", 10**15, 1.0), ("a", 2, 2.0), ("a", 3, 3.0))
    twice = replace(twice, source_id=KeyColumn.of([b"x", b"x", b"y", b"y"]))
    result = engine.process(twice)
    warming, repeated = Reason.DETECTOR_WARMING, Reason.REPEATED_ID
    assert result.outcomes.reason.tolist() == [warming, repeated, warming, repeated]
    assert [Reason(reason).outcome.label for reason in result.outcomes.reason[:2]] == ["warming", "duplicate"]
    assert result.events == ()
    assert engine.series_count == 1
    assert processed(result, 0.1).newest_time_ns == 2
    once = replace(_batch(("a", 1, 1.0), ("a", 2, 2.0)), offset=np.array([0, 2]))
    single.process(replace(once, source_id=KeyColumn.of([b"x", b"y"])))
    states = [split(one.image()) for one in (engine, single)]
    assert all(pack(states[0][name]) == pack(states[1][name]) for name in ("series", "scoring", "ids"))


def test_the_repeat_of_a_rejected_record_is_rejected_again() -> None:
    """Only records that count are remembered: a corrected record may come under the id of a bad one."""
    engine = _engine(replace(_plan(*_NATIVE), dedupe_horizon=9))
    bad, good = int(Reason.NOT_A_NUMBER), 0
    batch = _batch(*(("a", time, 1.0) for time in range(4)), refusal=[bad, bad, good, bad])
    result = engine.process(replace(batch, source_id=KeyColumn.of([b"x"] * 4)))
    assert result.outcomes.reason.tolist() == [bad, bad, Reason.DETECTOR_WARMING, Reason.REPEATED_ID]
    assert [event.offset for event in result.events] == [0, 1]


def test_a_late_record_is_told_with_its_values() -> None:
    """A record whose windows have all closed becomes an event; it is in no window."""
    engine = _engine(_plan(*_NATIVE, window=_WINDOW))
    result = engine.process(_batch(("a", 0, 1.0), ("a", 9_000, 2.0), ("b", 100, 3.0), ("a", 9_100, 4.0)))
    assert result.outcomes.reason.tolist() == [
        Reason.IN_WINDOW,
        Reason.IN_WINDOW,
        Reason.BEHIND_WATERMARK,
        Reason.IN_WINDOW,
    ]
    late = RecordLate(event_id("late", "pumps", _STREAM, 2), "pumps", _STREAM, 2, "b", 100, {"value": 3.0})
    assert result.events == (late,)
    assert result.windows is not None
    assert list(result.windows.series) == ["a", "a"]
    assert result.windows.series[-1:][0] == "a"


def test_a_windowed_stream_may_begin_with_refused_records() -> None:
    """A first batch without a series is refused record by record, and the next one is taken in."""
    engine = _engine(_plan(*_NATIVE, window=_WINDOW))
    refused = engine.process(_batch(("", 0, 1.0), ("", 0, 1.0), refusal=[Reason.MALFORMED, Reason.MALFORMED]))
    assert refused.outcomes.reason.tolist() == [Reason.MALFORMED, Reason.MALFORMED]
    assert engine.process(_batch(("a", 1, 1.0), first_offset=2)).outcomes.reason.tolist() == [Reason.IN_WINDOW]


def test_the_newest_time_is_that_of_an_accepted_record() -> None:
    """Neither an absurd time nor that of a series too many counts as the time the stream has reached."""
    jumping = _engine(_plan(*_NATIVE, window=_WINDOW))
    jumped = jumping.process(_batch(("a", 1, 1.0), ("a", 2, 1.0), ("a", 10**15, 1.0), ("a", 3, 1.0)))
    assert jumped.outcomes.reason[2] == Reason.TIME_JUMP
    assert processed(jumped, 0.1).newest_time_ns == 3
    crowded = _engine(_plan(*_NATIVE, series_limit=1)).process(_batch(("a", 1, 1.0), ("b", 10**15, 1.0)))
    assert processed(crowded, 0.1).newest_time_ns == 1
    refused = _engine(_plan(*_NATIVE)).process(_batch(("", 7, 1.0), refusal=[Reason.MALFORMED]))
    assert processed(refused, 0.1).newest_time_ns is None


def test_records_do_not_count_twice() -> None:
    """A batch that begins at or before the last offset stops the run; the state stays as it was."""
    engine = _engine(_plan(*_NATIVE))
    engine.process(_batch(("a", 1, 1.0), ("a", 2, 1.0), first_offset=5))
    before = engine.snapshot()
    for first_offset in (5, 6):
        with pytest.raises(StateError, match=rf"readings\[2\]: next offset must be above 6, was {first_offset}"):
            engine.process(_batch(("a", 3, 1.0), first_offset=first_offset))
    assert engine.snapshot() == before
    engine.process(_batch(("a", 3, 1.0), first_offset=70))
    assert engine.records == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda plan, stream: (replace(plan, name="fans"), stream), "flow must be 'fans', was 'pumps'"),
        (
            lambda plan, stream: (replace(plan, fingerprint="new"), stream),
            "fingerprint must be 'new', was 'as written'",
        ),
        (lambda plan, stream: (plan, replace(stream, name="other")), "stream must be"),
        (lambda plan, stream: (plan, replace(stream, partition=3)), "stream must be"),
        (lambda plan, stream: (plan, replace(stream, incarnation="second")), "stream must be"),
    ],
    ids=["flow", "fingerprint", "stream", "partition", "incarnation"],
)
def test_foreign_state_is_refused(change: Callable[[FlowPlan, Stream], tuple[FlowPlan, Stream]], text: str) -> None:
    """State goes into the engine of the same flow and stream only."""
    plan = _plan(*_NATIVE)
    state = _engine(plan).snapshot()
    with pytest.raises(StateError, match=text):
        _engine(*change(plan, _STREAM)).restore(state)


def test_state_of_another_version_is_refused() -> None:
    """A version of the state that this code does not know is not guessed at."""
    plan = _plan(*_NATIVE)
    image = unpack(_engine(plan).snapshot())
    newer = pack(StateImage({**image.header, "version": 99}, image.sections))
    with pytest.raises(StateError, match="version must be 2, was 99"):
        _engine(plan).restore(newer)


@pytest.mark.parametrize("missing", ["series", "scoring", "windows", "part sizes"])
def test_incomplete_state_is_refused(missing: str) -> None:
    """A state without one of its sections is refused by name before anything is taken over."""
    plan = _FLOWS["windows"]
    image = unpack(_engine(plan).snapshot())
    parts = split(image)
    del parts[missing]
    engine = _engine(plan)
    before = engine.snapshot()
    with pytest.raises(StateError, match=rf"parts must be \[.*'{missing}'.*\], were"):
        engine.restore(pack(join(image.header, parts)))
    assert engine.snapshot() == before


def test_no_memory_of_others_gets_into_the_state() -> None:
    """The bytes between the fields of a row are 0 for old and new series, before and after a restart."""
    plan = _FLOWS["trees"]
    engine = _engine(plan)
    for first in (0, 200):
        engine.process(_batch(*((f"series-{number}", 1, 1.0) for number in range(first + 200)), first_offset=first))
        state = engine.snapshot()
        rows = split(unpack(state))["scoring"].sections["state.trees"]
        used = rows.dtype.fields["leaf"][1] + rows.dtype["leaf"].itemsize if rows.dtype.fields else 0
        padding = rows.view(np.uint8).reshape(len(rows), -1)[:, used:]
        assert padding.shape[1] == 4
        assert not padding.any()
        engine = _engine(plan)
        engine.restore(state)


def _recorded(kernel: Callable[..., Any], calls: list[tuple[object, ...]]) -> Callable[..., Any]:
    """Pass on calls, and note what types compiled code sees."""

    def call(*arguments: object) -> object:
        calls.append(tuple(map(numba.typeof, arguments)))
        return kernel(*arguments)

    return call


@_every_flow
def test_a_restored_engine_needs_no_other_machine_code(flow: str) -> None:
    """Every kernel is called with the same types before and after a restart, however the tables grow."""
    plan = _FLOWS[flow]
    plain = _kernels(plan.scoring)
    names = ("process", "find_slots", "absorb", "mark_repeats", "rebuild")
    calls: dict[str, list[tuple[object, ...]]] = {name: [] for name in names}
    unused = {"absorb"} if plan.window is None else set[str]()
    unused |= {"mark_repeats"} if plan.dedupe_horizon is None else set()
    watched = Kernels(**{name: _recorded(getattr(plain, name), seen) for name, seen in calls.items()})
    first, second, third = _cut(_stream(), [500, 500, 500])
    fresh = Engine(plan, _STREAM, watched)
    fresh.process(first)
    restored = Engine(plan, _STREAM, watched)
    restored.restore(fresh.snapshot())
    restored.process(second)
    many = [(f"new-{number}", 10**9, 1.0) for number in range(100)]
    roomy = Engine(replace(plan, admission=Admission(1_000)), _STREAM, watched)
    roomy.restore(restored.snapshot())
    roomy.process(_batch(*many, first_offset=2_000))
    fresh.process(second)
    fresh.process(third)
    for name, seen in calls.items():
        assert len(set(seen)) == (0 if name in unused else 1), name
