"""Keys to slots, without collisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cached_kernels import new_index
from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly.domain.series import Admission, Eviction, SeriesIndex, SeriesKeys
from pynomaly.domain.state import StateImage, pack, unpack


def _batch(keys: list[bytes], first_offset: int = 0, time_ns: int = 0) -> RecordBatch:
    count = len(keys)
    offset, times = np.arange(first_offset, first_offset + count), np.full(count, time_ns)
    return RecordBatch(Stream("s"), offset, times, KeyColumn.of(keys), np.zeros((count, 1)), np.zeros(count, np.uint8))


def _slots(index: SeriesIndex, keys: list[bytes]) -> list[int]:
    return index.admit(_batch(keys), np.zeros(len(keys), np.uint8)).slot.tolist()


@given(st.lists(st.lists(st.text("ab\x00é", max_size=3).map(str.encode), max_size=12), max_size=6))
def test_slots_number_keys_in_order_of_appearance(batches: list[list[bytes]]) -> None:
    """Equal keys share a slot, different ones never do, however they are cut into batches."""
    index, seen = new_index(Admission(1_000)), dict[bytes, int]()
    for keys in batches:
        expected = [seen.setdefault(key, len(seen)) for key in keys]
        assert _slots(index, keys) == expected
    assert [index.key(slot) for slot in range(len(index))] == [key.decode() for key in seen]


def test_many_series_and_long_keys_make_room() -> None:
    """The table grows in the middle of a batch without losing a key."""
    keys = [f"series-{number:06d}-{'x' * (number % 90)}".encode() for number in range(5_000)]
    index = new_index(Admission(10_000))
    assert _slots(index, keys) == list(range(5_000))
    assert _slots(index, keys[::-1]) == list(range(5_000))[::-1]


def test_series_beyond_the_limit_are_refused() -> None:
    """Known series go on; rows that were refused before are left alone."""
    index = new_index(Admission(2, evicts=False))
    keys = [b"a", b"b", b"c", b"a", b""]
    refusal = np.array([0, 0, 0, 0, Reason.MALFORMED], np.uint8)
    slots = index.admit(_batch(keys), refusal).slot
    assert refusal.tolist() == [0, 0, Reason.SERIES_LIMIT, 0, Reason.MALFORMED]
    assert slots[[0, 1, 3]].tolist() == [0, 1, 0]
    assert len(index) == 2


def test_a_restored_index_goes_on_as_before() -> None:
    """Keys keep their slots over a restart, and new ones follow."""
    index = new_index(Admission(10_000))
    keys = [f"k{number}".encode() for number in range(1_000)]
    _slots(index, keys)
    restored = new_index(Admission(10_000))
    restored.restore(unpack(pack(index.snapshot())))
    assert _slots(restored, [b"new", *keys[::-1], b"newer"]) == [1_000, *range(999, -1, -1), 1_001]


def test_the_oldest_series_makes_room() -> None:
    """At the limit the series whose last record is oldest goes, and its number is not given away in that batch."""
    index = new_index(Admission(2))
    admitted = index.admit(_batch([b"a", b"b", b"a", b"c", b"b"]), np.zeros(5, np.uint8))
    assert admitted.slot.tolist() == [0, 1, 0, 2, 3]
    assert admitted.gone.tolist() == [1, 0]
    assert admitted.evicted == {Eviction.EXPIRED: 0, Eviction.DISPLACED: 2}
    assert [index.key(slot) for slot in range(4)] == ["a", "b", "c", "b"]
    following = index.admit(_batch([b"d", b"e"], 5), np.zeros(2, np.uint8))
    assert sorted(following.slot.tolist()) == sorted(following.reused.tolist()) == [0, 1]
    assert [index.key(int(slot)) for slot in following.slot] == ["d", "e"]
    assert len(index) == 2


def test_keys_are_found_after_others_were_taken_out() -> None:
    """With thousands of keys in a crowded table, taking some out leaves every other one where it is found."""
    keys = [b"%d" % number for number in range(3_000)]
    index = new_index(Admission(2_000))
    born = np.arange(3_000)
    assert (index.born(index.admit(_batch(keys), np.zeros(3_000, np.uint8)).slot) == born).all()
    again = index.admit(_batch(keys[1_000:], 3_000), np.zeros(2_000, np.uint8))
    assert (index.born(again.slot) == born[1_000:]).all()
    assert len(again.gone) == 0


def test_what_is_idle_expires_by_itself() -> None:
    """A sweep evicts what the stream has left behind, tells of it once, and the memory is used again."""
    index = new_index(Admission(100, idle_ns=10, sweep_records=4))
    index.admit(_batch([b"a", b"b"]), np.zeros(2, np.uint8))
    told = [index.admit(_batch([b"c"], 2 + moment, 10 * moment), np.zeros(1, np.uint8)) for moment in range(9)]
    reports = [report for admitted in told for report in admitted.reports]
    assert [(report.row, report.live, report.examples) for report in reports] == [(0, 1, ("a", "b"))]
    assert reports[0].evicted == {Eviction.EXPIRED: 2, Eviction.DISPLACED: 0}
    assert [len(admitted.gone) for admitted in told] == [0, 0, 0, 0, 0, 0, 2, 0, 0]
    assert index.slots == 3


_SAVED = pack(new_index(Admission(10)).snapshot())


@pytest.mark.parametrize(
    ("name", "damaged", "text"),
    [
        ("key_end", np.array([9]), "must be consistent"),
        ("known", np.zeros(2, np.int64), "known must be"),
        ("clock", unpack(_SAVED).sections["clock"][:0], "must be consistent"),
        ("examples", np.zeros(3, np.uint8), "must be consistent"),
    ],
)
def test_damaged_series_are_refused(name: str, damaged: np.ndarray, text: str) -> None:
    """Sections that do not fit together are not taken over."""
    sections = {**unpack(_SAVED).sections, name: damaged}
    with pytest.raises(StateError, match=text):
        new_index(Admission(10)).restore(StateImage({}, sections))


def test_incomplete_series_are_refused() -> None:
    """A missing section is named."""
    with pytest.raises(StateError, match=r"must have known, keys, .* had \['keys'\]"):
        new_index(Admission(10)).restore(StateImage({}, {"keys": np.zeros(3, np.uint8)}))


def test_keys_are_made_when_they_are_asked_for() -> None:
    """A column of slots is a sequence of keys, none of which is made before somebody looks at it."""
    made: list[int] = []

    def key_of(slot: int) -> str:
        made.append(slot)
        return f"pump-{slot}"

    keys = SeriesKeys(np.array([4, 7, 4]), key_of)
    assert (len(keys), made) == (3, [])
    assert (keys[1], made) == ("pump-7", [7])
    assert list(keys[1:]) == ["pump-7", "pump-4"]
