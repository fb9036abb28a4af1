"""Series keys to slots: a hash table over key bytes, in compiled code, without Python strings.

Slots are numbered 0, 1, 2 ... in the order in which the stream first shows the keys. Stored keys are compared byte by
byte, so two keys never share a slot. The table is rebuilt on restore; only the keys themselves are state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.byte_hash import hash_bytes
from pynomaly.domain.error import StateError
from pynomaly.domain.jit import compiled
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn
from pynomaly.domain.state import StateImage

_SERIES_LIMIT = int(Reason.SERIES_LIMIT)
_FREE: Final = -1

FindSlots = Callable[..., int]


@compiled
def find_slots(
    data: ByteColumn,
    start: Int64Column,
    length: Int64Column,
    refusal: ByteColumn,
    first: int,
    table_hash: NDArray[np.uint64],
    table_slot: NDArray[np.int64],
    keys: ByteColumn,
    key_end: Int64Column,
    fill: Int64Column,
    limit: int,
    slot: Int64Column,
) -> int:
    """Assign slots to rows from ``first`` on; return the first row that needs more room, or the row count.

    ``fill[0]`` counts the series. A row that would exceed ``limit`` is refused as *series_limit*.
    """
    mask = len(table_hash) - 1
    for i in range(first, len(start)):
        if refusal[i] != 0:
            slot[i] = 0
            continue
        code = hash_bytes(data, start[i], length[i])
        place = np.int64(code & np.uint64(mask))
        while table_slot[place] >= 0 and not (
            table_hash[place] == code and _equal(data, start[i], length[i], keys, key_end, table_slot[place])
        ):
            place = (place + 1) & mask
        if table_slot[place] < 0:
            count = fill[0]
            if count >= limit:
                refusal[i] = _SERIES_LIMIT
                slot[i] = 0
                continue
            begin = key_end[count]
            if count + 1 >= len(key_end) or 2 * (count + 1) > len(table_slot) or begin + length[i] > len(keys):
                return i
            keys[begin : begin + length[i]] = data[start[i] : start[i] + length[i]]
            key_end[count + 1] = begin + length[i]
            table_hash[place] = code
            table_slot[place] = count
            fill[0] = count + 1
        slot[i] = table_slot[place]
    return len(start)


@compiled
def _equal(data: ByteColumn, start: int, length: int, keys: ByteColumn, key_end: Int64Column, slot: int) -> bool:
    begin = key_end[slot]
    if key_end[slot + 1] - begin != length:
        return False
    for position in range(length):  # noqa: SIM110 - compiled code
        if keys[begin + position] != data[start + position]:
            return False
    return True


class SeriesIndex:
    """The series of one stream.

    Costs about 0.02 us a lookup and, per series, the key's bytes plus 40 bytes.

    Parameters
    ----------
    limit
        Most series the stream may hold; records of further ones are refused.
    find
        Compiled `find_slots`; by default compiled in this process.
    """

    def __init__(self, limit: int, find: FindSlots = find_slots) -> None:
        self._limit = limit
        self._find = find
        self._fill = np.zeros(1, np.int64)
        self._keys = np.zeros(0, np.uint8)
        self._key_end = np.zeros(1, np.int64)
        self._rebuild(series=256, key_bytes=4096)

    def __len__(self) -> int:
        return int(self._fill[0])

    def slots(self, key: KeyColumn, refusal: ByteColumn) -> Int64Column:
        """Return ``(n,)`` slots, making new ones in row order; refuse rows beyond the limit in ``refusal``."""
        slot = np.empty(len(key), np.int64)
        row = self._assign(key, refusal, 0, slot)
        while row < len(key):
            self._make_room(int(key.length[row]))
            row = self._assign(key, refusal, row, slot)
        return slot

    def key(self, slot: int) -> str:
        """Return the key of a slot."""
        begin, end = int(self._key_end[slot]), int(self._key_end[slot + 1])
        return self._keys[begin:end].tobytes().decode()

    def snapshot(self) -> StateImage:
        """Return the keys in slot order."""
        count = len(self)
        return StateImage({}, {"keys": self._keys[: int(self._key_end[count])], "key_end": self._key_end[: count + 1]})

    def restore(self, image: StateImage) -> None:
        """Take over the keys of a snapshot.

        Raises
        ------
        StateError
            When they do not fit together.
        """
        if set(image.sections) != {"keys", "key_end"}:
            raise StateError(f"saved series must have keys and key_end, had {sorted(image.sections)}")
        keys, key_end = image.sections["keys"], image.sections["key_end"]
        if len(key_end) == 0 or key_end[0] != 0 or key_end[-1] != len(keys) or np.any(np.diff(key_end) < 0):
            raise StateError("series keys must be consistent, were not: the state is damaged")
        self._keys, self._key_end = keys, key_end
        self._fill[0] = len(key_end) - 1
        self._make_room(0)

    def _assign(self, key: KeyColumn, refusal: ByteColumn, first: int, slot: Int64Column) -> int:
        data = key.data.view()
        data.flags.writeable = False  # most are; of the others a second machine code would have to be compiled
        return self._find(
            data,
            key.start,
            key.length,
            refusal,
            first,
            self._table_hash,
            self._table_slot,
            self._keys,
            self._key_end,
            self._fill,
            self._limit,
            slot,
        )

    def _make_room(self, length: int) -> None:
        """Double whatever would not take one more series with a key of that length."""
        count = len(self)
        used = int(self._key_end[count])
        self._rebuild(series=max(2 * count, 256), key_bytes=max(2 * used, used + length, 4096))

    def _rebuild(self, *, series: int, key_bytes: int) -> None:
        """Enter the known keys into larger arrays; in slot order they get their slots again."""
        count = len(self)
        known = KeyColumn(self._keys, self._key_end[:count].copy(), np.diff(self._key_end[: count + 1]))
        self._fill = np.zeros(1, np.int64)
        self._keys = np.zeros(key_bytes, np.uint8)
        self._key_end = np.zeros(series + 2, np.int64)
        places = 1 << (2 * series + 2).bit_length()
        self._table_hash = np.zeros(places, np.uint64)
        self._table_slot = np.full(places, _FREE, np.int64)
        self._assign(known, np.zeros(count, np.uint8), 0, np.empty(count, np.int64))


class SeriesKeys(Sequence[str]):
    """The keys of ``m`` slots; each becomes a string when it is asked for, as few ever are.

    Parameters
    ----------
    slot
        ``(m,)`` series numbers.
    key_of
        Slot -> series key.
    """

    def __init__(self, slot: Int64Column, key_of: Callable[[int], str]) -> None:
        self._slot = slot
        self._key_of = key_of

    def __len__(self) -> int:
        return len(self._slot)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> SeriesKeys: ...
    def __getitem__(self, row: int | slice) -> str | SeriesKeys:
        if isinstance(row, slice):
            return SeriesKeys(self._slot[row], self._key_of)
        return self._key_of(int(self._slot[row]))
