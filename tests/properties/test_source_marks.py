"""Records that repartitioners copy, crash over and copy again: each counts once, whatever they repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.domain.error import StateError
from pynomaly.domain.origin import Origins
from pynomaly.domain.outcome import Reason
from pynomaly.domain.source_marks import MOST_PARTITIONS, MOST_TOPICS, SourceMarks, mark_resent
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.infrastructure.kernels import KernelLibrary

_MARK = KernelLibrary.default().entry(mark_resent)
_REFUSED = int(Reason.MALFORMED)
_REPEATED = int(Reason.REPEATED_ORIGIN)
_UNKNOWN = int(Reason.NO_ORIGIN)

Origin = tuple[int, int, int]
"""Topic id, partition and offset."""

origins = st.tuples(st.integers(-3, 3), st.integers(0, 40), st.integers(-1, 12))
batches = st.lists(st.lists(st.tuples(origins, st.sampled_from([0, 0, _REFUSED])), max_size=40), max_size=8)


class _PlainMarks:
    """The rules of the module, one record at a time."""

    def __init__(self) -> None:
        self._highest: dict[tuple[int, int], int] = {}

    def reason(self, origin: Origin, refusal: int) -> int:
        topic, partition, offset = origin
        if offset < 0:
            return _UNKNOWN
        if offset <= self._highest.get((topic, partition), -1):
            return _REPEATED
        self._highest[topic, partition] = offset
        return refusal


def _marked(marks: SourceMarks, batch: list[tuple[Origin, int]]) -> list[int]:
    place = np.array([(topic, 7, partition, offset) for (topic, partition, offset), _ in batch], np.int64).reshape(
        -1, 4
    )
    refusal = np.array([refusal for _, refusal in batch], np.uint8)
    marks.mark(Origins("readings", place), refusal)
    return refusal.tolist()


@given(batches, st.booleans())
def test_repeats_are_those_of_the_plain_rules(
    given_batches: list[list[tuple[Origin, int]]],
    restarts: bool,  # noqa: FBT001
) -> None:
    """Whatever comes, wherever batches are cut and with a restart after each, the same rows are repeats."""
    marks, plain = SourceMarks(_MARK), _PlainMarks()
    for batch in given_batches:
        assert _marked(marks, batch) == [plain.reason(*record) for record in batch]
        if restarts:
            restored = SourceMarks(_MARK)
            restored.restore(unpack(pack(marks.snapshot())))
            assert pack(restored.snapshot()) == pack(marks.snapshot())
            marks = restored


@dataclass
class _Repartitioner:
    """Copies one partition of the input in order, from some record on; into which streams, ``targets`` says."""

    partition: int
    targets: list[int]
    position: int

    def copy(self, count: int) -> Iterator[tuple[int, Origin]]:
        for offset in range(self.position, min(self.position + count, len(self.targets))):
            yield self.targets[offset], (1, self.partition, offset)
        self.position = min(self.position + count, len(self.targets))


@given(st.data())
def test_each_record_counts_once_through_any_crashes(data: st.DataObject) -> None:
    """Repartitioners that begin again at a durable position, or live beside each other, make no record count twice."""
    inputs = [data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=25)) for _ in range(2)]
    durable = [0, 0]
    alive = [_Repartitioner(partition, targets, 0) for partition, targets in enumerate(inputs)]
    streams: list[list[Origin]] = [[], [], []]
    for _ in range(data.draw(st.integers(0, 12))):
        one = data.draw(st.sampled_from(alive))
        for stream, origin in one.copy(data.draw(st.integers(0, 10))):
            streams[stream].append(origin)
        match data.draw(st.sampled_from(["go on", "checkpoint", "crash", "second one"])):
            case "checkpoint":
                durable[one.partition] = max(durable[one.partition], one.position)
            case "crash":
                one.position = durable[one.partition]
            case "second one":
                begins = data.draw(st.integers(0, durable[one.partition]))
                alive.append(_Repartitioner(one.partition, one.targets, begins))
            case _:
                pass
    for one in alive:
        for stream, origin in one.copy(len(one.targets)):
            streams[stream].append(origin)
    counted: list[Origin] = []
    for stream in streams:
        reasons = _marked(SourceMarks(_MARK), [(origin, 0) for origin in stream])
        counted += [origin for origin, reason in zip(stream, reasons, strict=True) if reason == 0]
    expected = [(1, partition, offset) for partition, targets in enumerate(inputs) for offset in range(len(targets))]
    assert sorted(counted) == expected


def test_memory_is_bounded() -> None:
    """A header that names a partition or a topic beyond all bounds is no origin, and takes no memory."""
    marks = SourceMarks(_MARK)
    beyond = [((0, MOST_PARTITIONS, 5), 0), ((0, MOST_PARTITIONS - 1, 5), 0), ((0, 2**31 - 1, 5), 0)]
    assert _marked(marks, beyond) == [_UNKNOWN, 0, _UNKNOWN]
    topics = [((number, 0, 5), 0) for number in range(1, MOST_TOPICS + 2)]
    assert _marked(SourceMarks(_MARK), topics) == [0] * MOST_TOPICS + [_UNKNOWN]


def test_damaged_marks_are_refused() -> None:
    """A saved state whose parts do not fit together is none."""
    for sections in ({}, {"topics": np.zeros((1, 2), np.int64), "marks": np.zeros((2, 16), np.int64)}):
        with pytest.raises(StateError, match="saved marks of the input must be consistent"):
            SourceMarks(_MARK).restore(StateImage({}, sections))
