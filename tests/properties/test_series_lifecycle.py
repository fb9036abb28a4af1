"""Which series live, against a plain account of the same rules, however the stream is cut and restarted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.series import Admission, Eviction, SeriesIndex
from pynomaly.domain.series.table import find_slots, rebuild
from pynomaly.domain.state import pack, unpack
from pynomaly.domain.windows import WindowPlan, Windows
from pynomaly.domain.windows.absorb import absorb
from pynomaly.infrastructure.kernels import KernelLibrary

_MAX_JUMP_NS: Final = 300

Record = tuple[str, int, bool]  # key, time, whether it was refused before
Told = tuple[int, int, int, int, tuple[str, ...]]  # offset, expired, displaced, live, examples


@dataclass
class _PlainSeries:
    born: int
    last: int = -1
    seen: int = 0


@dataclass
class _PlainIndex:
    """The rules in the words of the documentation: dictionaries, and a look at every series for every question."""

    bounds: Admission
    live: dict[str, _PlainSeries] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)
    now: int | None = None
    until_sweep: int = 0
    gone: list[tuple[str, Eviction]] = field(default_factory=list)
    born: list[int | None] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.until_sweep = self.bounds.sweep_records

    def take(self, offset: int, record: Record) -> None:
        key, time_ns, refused = record
        if refused:
            self.born.append(None)
            return
        if self.until_sweep <= 0:
            self._sweep(offset)
        series = self._series_of(key, offset)
        self.until_sweep -= 1
        self.times.append(time_ns)
        if len(self.times) >= 3:
            reached = min(self.times[-3:])
            self.now = reached if self.now is None else max(self.now, reached)
        self.born.append(None if series is None else series.born)
        if series is not None:
            series.last = offset
            series.seen = time_ns if self.now is None else max(self.now, time_ns)

    def _series_of(self, key: str, offset: int) -> _PlainSeries | None:
        known = self.live.get(key)
        if known is not None and not self._is_idle(known):
            return known
        if known is not None:
            self._evict(key, Eviction.EXPIRED)
        elif len(self.live) >= self.bounds.limit:
            if not self.bounds.evicts:
                return None
            oldest = min(self.live, key=lambda name: self.live[name].last)
            self._evict(oldest, Eviction.EXPIRED if self._is_idle(self.live[oldest]) else Eviction.DISPLACED)
        self.live[key] = _PlainSeries(offset)
        return self.live[key]

    def _sweep(self, offset: int) -> None:
        idle = [name for name, series in self.live.items() if self._is_idle(series)]
        for name in sorted(idle, key=lambda name: self.live[name].born):
            self._evict(name, Eviction.EXPIRED)
        if self.bounds.idle_ns and self.now is not None:
            for series in self.live.values():
                series.seen = min(series.seen, self.now)
        self.until_sweep = max(self.bounds.sweep_records, len(self.live))
        if self.gone:
            causes = [cause for _, cause in self.gone]
            counts = causes.count(Eviction.EXPIRED), causes.count(Eviction.DISPLACED)
            self.told.append((offset, *counts, len(self.live), tuple(name for name, _ in self.gone[:20])))
            self.gone = []

    def _is_idle(self, series: _PlainSeries) -> bool:
        return self.bounds.idle_ns > 0 and self.now is not None and self.now - series.seen > self.bounds.idle_ns

    def _evict(self, key: str, cause: Eviction) -> None:
        del self.live[key]
        self.gone.append((key, cause))


@dataclass
class _Seen:
    """What the index under test says."""

    born: list[int | None] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    evicted: dict[Eviction, int] = field(default_factory=lambda: dict.fromkeys(Eviction, 0))


_LIBRARY = KernelLibrary.default()


def _index(bounds: Admission) -> SeriesIndex:
    return SeriesIndex(bounds, _LIBRARY.entry(find_slots), _LIBRARY.entry(rebuild))


def _batch(records: list[Record], first_offset: int) -> tuple[RecordBatch, np.ndarray]:
    offset = np.arange(first_offset, first_offset + len(records))
    times = np.array([time_ns for _, time_ns, _ in records], np.int64)
    refusal = np.array([int(Reason.MALFORMED) if refused else 0 for *_, refused in records], np.uint8)
    key = KeyColumn.of([b"" if refused else name.encode() for name, _, refused in records])
    return RecordBatch(Stream("s"), offset, times, key, np.zeros((len(records), 1)), refusal), refusal.copy()


def _feed(index: SeriesIndex, records: list[Record], first_offset: int, seen: _Seen) -> None:
    batch, refusal = _batch(records, first_offset)
    admitted = index.admit(batch, refusal)
    born = index.born(admitted.slot) if index.slots else np.zeros(len(batch), np.int64)
    seen.born += [int(number) if reason == 0 else None for number, reason in zip(born, refusal, strict=True)]
    for row, (name, _, refused) in enumerate(records):
        limited = refusal[row] == Reason.SERIES_LIMIT
        assert limited or refused or index.key(int(admitted.slot[row])) == name
    for report in admitted.reports:
        counts = report.evicted[Eviction.EXPIRED], report.evicted[Eviction.DISPLACED]
        seen.told.append((int(batch.offset[report.row]), *counts, report.live, report.examples))
    for cause, count in admitted.evicted.items():
        seen.evicted[cause] += count
    assert len(admitted.gone) == sum(admitted.evicted.values())


_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", "e", "", "été", "x" * 3000]),
        st.one_of(st.integers(0, 12), st.integers(0, 12), st.integers(-500, 5_000)),
        st.integers(0, 9).map(lambda number: number == 0),
    ),
    max_size=60,
)
_BOUNDS = st.builds(
    Admission,
    limit=st.integers(1, 6),
    idle_ns=st.sampled_from([0, 3, 30, 200]),
    evicts=st.booleans(),
    max_jump_ns=st.just(0),
    sweep_records=st.sampled_from([1, 2, 7, 20]),
)


def _stream(steps: list[Record]) -> list[Record]:
    """Let time go on by a fifth of each step; the rest is disorder."""
    level, records = 0, list[Record]()
    for name, step, refused in steps:
        level += abs(step) // 5
        records.append((name, level + step, refused))
    return records


def _pieces(records: list[Record], cuts: set[int]) -> Iterator[tuple[int, list[Record]]]:
    places = [0, *sorted(cut for cut in cuts if 0 < cut < len(records)), len(records)]
    for start, stop in pairwise(places):
        yield start, records[start:stop]


@settings(max_examples=120, deadline=None)
@given(bounds=_BOUNDS, steps=_RECORDS, cuts=st.sets(st.integers(0, 60)), restarts=st.sets(st.integers(0, 60)))
def test_the_plain_account_is_kept(bounds: Admission, steps: list[Record], cuts: set[int], restarts: set[int]) -> None:
    """Who is admitted, refused, expired and displaced, what is told and what is saved: all as in the plain account."""
    records = _stream(steps)
    plain = _PlainIndex(bounds)
    for offset, record in enumerate(records):
        plain.take(offset, record)
    index, seen = _index(bounds), _Seen()
    for start, piece in _pieces(records, cuts | restarts):
        if start in restarts:
            state = pack(index.snapshot())
            index = _index(bounds)
            index.restore(unpack(state))
        _feed(index, piece, start, seen)
    assert seen.born == plain.born
    assert seen.told == plain.told
    reported = sum(expired + displaced for _, expired, displaced, *_ in plain.told)
    assert sum(seen.evicted.values()) == reported + len(plain.gone)
    assert len(index) == len(plain.live) <= bounds.limit
    known = unpack(pack(index.snapshot())).sections["known"]
    expected = sorted((series.born, series.last, series.seen) for series in plain.live.values())
    assert [tuple(map(int, row)) for row in known] == expected


@settings(max_examples=40, deadline=None)
@given(bounds=_BOUNDS, steps=_RECORDS, cuts=st.sets(st.integers(0, 60)))
def test_equal_streams_are_equal_bytes(bounds: Admission, steps: list[Record], cuts: set[int]) -> None:
    """What is saved does not tell how the stream was cut."""
    records = _stream(steps)
    whole, cut = _index(bounds), _index(bounds)
    _feed(whole, records, 0, _Seen())
    for start, piece in _pieces(records, cuts):
        _feed(cut, piece, start, _Seen())
    assert pack(cut.snapshot()) == pack(whole.snapshot())


@settings(max_examples=40, deadline=None)
@given(steps=_RECORDS, limit=st.integers(1, 3), lateness_ns=st.integers(0, 20))
def test_with_windows_the_clock_is_the_front_of_the_watermark(
    steps: list[Record], limit: int, lateness_ns: int
) -> None:
    """Both are moved by the same records, those refused for want of room among them; no window is lost to eviction."""
    plan = WindowPlan(20, 10, ("count",), lateness_ns, _MAX_JUMP_NS)
    bounds = Admission(limit, 20 + lateness_ns, evicts=False, max_jump_ns=_MAX_JUMP_NS, sweep_records=2)
    index, windows = _index(bounds), Windows(plan, 1, kernel=_LIBRARY.entry(absorb))
    for offset, record in enumerate(_stream(steps)):
        batch, refusal = _batch([record], offset)
        admitted = index.admit(batch, refusal)
        windows.grow(index.slots)
        windows.restart(admitted.reused)
        windows.absorb(batch.offset, admitted.slot, batch.time_ns, batch.values, refusal)
        saved = windows.snapshot(admitted.gone)
        assert (saved.sections["due"] == np.iinfo(np.int64).max).all()
        clock, mark = index.snapshot().sections["clock"][0], saved.sections["watermark"][0]
        assert [clock[name] for name in mark.dtype.names] == list(mark)


def test_many_series_pass_through_a_small_index() -> None:
    """Twenty thousand keys through room for a hundred: memory stays, and a key that comes again begins anew."""
    bounds = Admission(100)
    index, seen = _index(bounds), _Seen()
    for first in range(0, 20_000, 500):
        names = [f"series-{number:05d}-{'x' * (number % 50)}" for number in range(first, first + 500)]
        _feed(index, [(name, 0, False) for name in names], first, seen)
    assert seen.born == list(range(20_000))
    assert seen.evicted == {Eviction.EXPIRED: 0, Eviction.DISPLACED: 19_900}
    assert (len(index), index.slots) == (100, 600)
    assert [told[1:4] for told in seen.told] == [(0, 8_092, 100), (0, 8_192, 100)]


@pytest.mark.parametrize("evicts", [True, False], ids=["evict", "reject"])
def test_a_single_absurd_time_expires_nothing(*, evicts: bool) -> None:
    """Neither one nor two records from the future move the clock; the third in a row does."""
    index, seen = _index(Admission(10, idle_ns=100, evicts=evicts)), _Seen()
    absurd = 10**15
    records = [("a", 1, False), ("b", 2, False), ("c", 3, False), ("d", absurd, False), ("d", absurd, False)]
    _feed(index, [*records, ("a", 4, False), ("b", 5, False)], 0, seen)
    assert seen.born == [0, 1, 2, 3, 3, 0, 1]
    _feed(index, [("d", absurd, False)] * 3, 7, seen)
    _feed(index, [("c", 6, False)], 10, seen)
    assert seen.born[7:] == [3, 3, 3, 10]
