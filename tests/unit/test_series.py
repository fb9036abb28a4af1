"""Keys to slots, without collisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.domain.error import StateError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import KeyColumn
from pynomaly.domain.series import SeriesIndex, SeriesKeys
from pynomaly.domain.state import StateImage, pack, unpack


def _slots(index: SeriesIndex, keys: list[bytes]) -> list[int]:
    return index.slots(KeyColumn.of(keys), np.zeros(len(keys), np.uint8)).tolist()


@given(st.lists(st.lists(st.text("ab\x00é", max_size=3).map(str.encode), max_size=12), max_size=6))
def test_slots_number_keys_in_order_of_appearance(batches: list[list[bytes]]) -> None:
    """Equal keys share a slot, different ones never do, however they are cut into batches."""
    index, seen = SeriesIndex(1_000), dict[bytes, int]()
    for keys in batches:
        expected = [seen.setdefault(key, len(seen)) for key in keys]
        assert _slots(index, keys) == expected
    assert [index.key(slot) for slot in range(len(index))] == [key.decode() for key in seen]


def test_many_series_and_long_keys_make_room() -> None:
    """The table grows in the middle of a batch without losing a key."""
    keys = [f"series-{number:06d}-{'x' * (number % 90)}".encode() for number in range(5_000)]
    index = SeriesIndex(10_000)
    assert _slots(index, keys) == list(range(5_000))
    assert _slots(index, keys[::-1]) == list(range(5_000))[::-1]


def test_series_beyond_the_limit_are_refused() -> None:
    """Known series go on; rows that were refused before are left alone."""
    index = SeriesIndex(2)
    keys = [b"a", b"b", b"c", b"a", b""]
    refusal = np.array([0, 0, 0, 0, Reason.MALFORMED], np.uint8)
    slots = index.slots(KeyColumn.of(keys), refusal)
    assert refusal.tolist() == [0, 0, Reason.SERIES_LIMIT, 0, Reason.MALFORMED]
    assert slots[[0, 1, 3]].tolist() == [0, 1, 0]
    assert len(index) == 2


def test_a_restored_index_goes_on_as_before() -> None:
    """Keys keep their slots over a restart, and new ones follow."""
    index = SeriesIndex(10_000)
    keys = [f"k{number}".encode() for number in range(1_000)]
    _slots(index, keys)
    restored = SeriesIndex(10_000)
    restored.restore(unpack(pack(index.snapshot())))
    assert _slots(restored, [b"new", *keys[::-1], b"newer"]) == [1_000, *range(999, -1, -1), 1_001]


def test_damaged_keys_are_refused() -> None:
    """Keys whose ends do not fit are not taken over."""
    image = StateImage({}, {"keys": np.zeros(3, np.uint8), "key_end": np.array([0, 9])})
    with pytest.raises(StateError, match="must be consistent"):
        SeriesIndex(10).restore(image)


def test_incomplete_series_are_refused() -> None:
    """A missing section is named."""
    with pytest.raises(StateError, match=r"must have keys and key_end, had \['keys'\]"):
        SeriesIndex(10).restore(StateImage({}, {"keys": np.zeros(3, np.uint8)}))


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
