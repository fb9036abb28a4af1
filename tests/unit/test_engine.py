"""The engine: one stream's batches in, outcomes and events out, wherever batches are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.flow_plan import FlowPlan
from pynomaly.application.observe import processed
from pynomaly.domain.event import AnomalyDetected, Event, ModelRefitted, RecordLate, RecordRejected, event_id
from pynomaly.domain.outcome import Outcome, Reason
from pynomaly.domain.record import KeyColumn, RawRecord
from pynomaly.domain.state import pack, split
from unit.pump_engine import (
    FLOWS,
    NATIVE,
    RECORDS,
    STREAM,
    WINDOW,
    batch_of,
    batches_of,
    engine_of,
    every_flow,
    plan_of,
    readings,
)

_KINDS = (RecordRejected, RecordLate, ModelRefitted, AnomalyDetected)  # in the order of one record's events


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
    engine, seen = engine_of(plan), _Seen()
    for number, batch in enumerate(batches_of(readings(), sizes), 1):
        seen.take(engine.process(batch))
        if restart_every is not None and number % restart_every == 0:
            state = engine.snapshot()
            engine = engine_of(plan)
            engine.restore(state)
    return seen, engine.snapshot()


@every_flow
@pytest.mark.parametrize(
    ("sizes", "restart_every"),
    [((1,), None), ((7,), None), ((1, 100, 3, 0, 41), None), ((7,), 3), ((1, 100, 3), 1)],
    ids=["one by one", "by seven", "mixed", "by seven, restarted", "mixed, restarted"],
)
def test_cuts_and_restarts_carry_no_meaning(flow: str, sizes: tuple[int, ...], restart_every: int | None) -> None:
    """Events in their order, reasons, windows and the bytes of the state are those of one batch."""
    whole, state = _run(FLOWS[flow], [RECORDS])
    cut, cut_state = _run(FLOWS[flow], _forever(*sizes), restart_every)
    assert cut == whole
    assert cut_state == state


@pytest.mark.parametrize("flow", ["records", "windows"])
def test_events_stand_in_the_order_of_the_stream(flow: str) -> None:
    """Events go by the offset of their record, and for one record by kind; all kinds of the flow occur."""
    events = _run(FLOWS[flow], [RECORDS])[0].events
    places = [(event.offset, _KINDS.index(type(event))) for event in events]
    assert places == sorted(places)
    assert {type(event) for event in events} == set(_KINDS) - (set() if flow == "windows" else {RecordLate})
    assert len({event.id for event in events}) == len(events)


def test_a_window_is_told_at_the_record_that_closed_it() -> None:
    """The offset of a window's anomaly is that of a record; its id is made of the window's start."""
    seen, _ = _run(FLOWS["windows"], [RECORDS])
    alerted = [window for window in seen.windows if window[4] == Reason.ALERTED]
    anomalies = [event for event in seen.events if isinstance(event, AnomalyDetected)]
    assert len(anomalies) == len(alerted) >= 5
    for event, (series, start_ns, _, closed_by_offset, *_) in zip(anomalies, alerted, strict=True):
        assert (event.series, event.offset) == (series, closed_by_offset)
        assert event.window is not None
        assert (event.window.start_ns, event.time_ns) == (start_ns, event.window.end_ns)
        assert event.id == event_id(
            "window-anomaly-2000", "pumps", STREAM, event.window.start_ns, event.series, "watch"
        )


def test_an_anomaly_is_told_at_its_record() -> None:
    """The event of a record holds what the batch and the outcomes hold."""
    batch = readings()
    result = engine_of(FLOWS["records"]).process(batch)
    anomalies = [event for event in result.events if isinstance(event, AnomalyDetected)]
    rows = np.flatnonzero(result.outcomes.outcome == Outcome.ANOMALOUS).tolist()
    assert [event.offset for event in anomalies] == rows
    assert len(rows) >= 5
    for event, row in zip(anomalies, rows, strict=True):
        assert event.id == event_id("anomaly", "pumps", STREAM, row, event.series, "watch")
        assert event.series == batch.key[row].decode()
        assert (event.time_ns, event.values) == (batch.time_ns[row], {"value": batch.values[row, 0]})
        assert [part.part for part in event.parts] == ["spikes", "sizes"]
        assert sum(part.contribution for part in event.parts) == pytest.approx(event.evidence)
        assert sum(event.field_contributions.values()) == pytest.approx(event.evidence)


def test_a_series_too_many_is_rejected() -> None:
    """Records of a further series are told as rejected with their bytes; known series go on."""
    engine = engine_of(plan_of(*NATIVE, series_limit=2))
    result = engine.process(batch_of(("a", 1, 1.0), ("b", 2, 1.0), ("c", 3, 1.0), ("a", 4, 1.0), first_offset=10))
    assert result.outcomes.reason.tolist() == [
        Reason.DETECTOR_WARMING,
        Reason.DETECTOR_WARMING,
        Reason.SERIES_LIMIT,
        Reason.DETECTOR_WARMING,
    ]
    expected = event_id("rejected", "pumps", STREAM, 12)
    raw = RawRecord(b"record 12")
    assert result.events == (RecordRejected(expected, "pumps", STREAM, 12, Reason.SERIES_LIMIT, raw),)
    assert engine.series_count == 2


def test_a_repeat_is_no_record_at_all() -> None:
    """It is counted, and neither judged, nor learned, nor told, nor does it bring a series or a time."""
    plan = replace(plan_of(*NATIVE), dedupe_horizon=2)
    engine, single = engine_of(plan), engine_of(plan)
    twice = batch_of(("a", 1, 1.0), ("b", 10**15, 1.0), ("a", 2, 2.0), ("a", 3, 3.0))
    twice = replace(twice, source_id=KeyColumn.of([b"x", b"x", b"y", b"y"]))
    result = engine.process(twice)
    warming, repeated = Reason.DETECTOR_WARMING, Reason.REPEATED_ID
    assert result.outcomes.reason.tolist() == [warming, repeated, warming, repeated]
    assert [Reason(reason).outcome.label for reason in result.outcomes.reason[:2]] == ["warming", "duplicate"]
    assert result.events == ()
    assert engine.series_count == 1
    assert processed(result, 0.1).newest_time_ns == 2
    once = replace(batch_of(("a", 1, 1.0), ("a", 2, 2.0)), offset=np.array([0, 2]))
    single.process(replace(once, source_id=KeyColumn.of([b"x", b"y"])))
    states = [split(one.image()) for one in (engine, single)]
    assert all(pack(states[0][name]) == pack(states[1][name]) for name in ("series", "scoring", "ids"))


def test_the_repeat_of_a_rejected_record_is_rejected_again() -> None:
    """Only records that count are remembered: a corrected record may come under the id of a bad one."""
    engine = engine_of(replace(plan_of(*NATIVE), dedupe_horizon=9))
    bad, good = int(Reason.NOT_A_NUMBER), 0
    batch = batch_of(*(("a", time, 1.0) for time in range(4)), refusal=[bad, bad, good, bad])
    result = engine.process(replace(batch, source_id=KeyColumn.of([b"x"] * 4)))
    assert result.outcomes.reason.tolist() == [bad, bad, Reason.DETECTOR_WARMING, Reason.REPEATED_ID]
    assert [event.offset for event in result.events] == [0, 1]


def test_a_late_record_is_told_with_its_values() -> None:
    """A record whose windows have all closed becomes an event; it is in no window."""
    engine = engine_of(plan_of(*NATIVE, window=WINDOW))
    result = engine.process(batch_of(("a", 0, 1.0), ("a", 9_000, 2.0), ("b", 100, 3.0), ("a", 9_100, 4.0)))
    assert result.outcomes.reason.tolist() == [
        Reason.IN_WINDOW,
        Reason.IN_WINDOW,
        Reason.BEHIND_WATERMARK,
        Reason.IN_WINDOW,
    ]
    late = RecordLate(event_id("late", "pumps", STREAM, 2), "pumps", STREAM, 2, "b", 100, {"value": 3.0})
    assert result.events == (late,)
    assert result.windows is not None
    assert list(result.windows.series) == ["a", "a"]
    assert result.windows.series[-1:][0] == "a"


def test_a_windowed_stream_may_begin_with_refused_records() -> None:
    """A first batch without a series is refused record by record, and the next one is taken in."""
    engine = engine_of(plan_of(*NATIVE, window=WINDOW))
    refused = engine.process(batch_of(("", 0, 1.0), ("", 0, 1.0), refusal=[Reason.MALFORMED, Reason.MALFORMED]))
    assert refused.outcomes.reason.tolist() == [Reason.MALFORMED, Reason.MALFORMED]
    assert engine.process(batch_of(("a", 1, 1.0), first_offset=2)).outcomes.reason.tolist() == [Reason.IN_WINDOW]


def test_the_newest_time_is_that_of_an_accepted_record() -> None:
    """Neither an absurd time nor that of a series too many counts as the time the stream has reached."""
    jumping = engine_of(plan_of(*NATIVE, window=WINDOW))
    jumped = jumping.process(batch_of(("a", 1, 1.0), ("a", 2, 1.0), ("a", 10**15, 1.0), ("a", 3, 1.0)))
    assert jumped.outcomes.reason[2] == Reason.TIME_JUMP
    assert processed(jumped, 0.1).newest_time_ns == 3
    crowded = engine_of(plan_of(*NATIVE, series_limit=1)).process(batch_of(("a", 1, 1.0), ("b", 10**15, 1.0)))
    assert processed(crowded, 0.1).newest_time_ns == 1
    refused = engine_of(plan_of(*NATIVE)).process(batch_of(("", 7, 1.0), refusal=[Reason.MALFORMED]))
    assert processed(refused, 0.1).newest_time_ns is None
