"""The ids that producers gave their last records: a record whose id is among them was sent twice.

1. The memory holds the ids of the last ``horizon`` records that counted, in their order. A record counts when it has a
   readable id, is not refused, and is no repeat.
2. A record with a readable id that the memory holds is a repeat, whatever else is wrong with it.
3. A repeat does not renew its id: an id is forgotten ``horizon`` counted records after the first one that had it.

Ids are compared byte by byte, so two of them are never taken for one. Nothing depends on a clock or on where batches
are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.byte_hash import hash_bytes
from pynomaly.domain.error import StateError
from pynomaly.domain.jit import compiled
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn
from pynomaly.domain.state import StateImage

_REPEATED_ID = int(Reason.REPEATED_ID)
_FREE: Final = -1
_OLDEST, _NEXT = 0, 1  # of `span`: ids are numbered from 1 on, those from the oldest up to the next one are held
_FEWEST_IDS: Final = 256
_FEWEST_BYTES: Final = 4_096


MarkRepeats = Callable[..., int]  # the signature of `mark_repeats`


@compiled
def mark_repeats(
    data: ByteColumn,
    start: Int64Column,
    length: Int64Column,
    refusal: ByteColumn,
    first: int,
    horizon: int,
    span: Int64Column,
    ids: ByteColumn,
    end: Int64Column,
    code: NDArray[np.uint64],
    table: NDArray[np.int32],
) -> int:
    """Judge rows from ``first`` on; return the first row that needs more room, or the row count.

    Parameters
    ----------
    data, start, length
        ``(n,)`` ids; one of length 0 is none.
    refusal
        ``(n,)`` reasons; a repeat gets its own.
    span
        The numbers of the oldest id held and of the next one.
    ids
        Ring of bytes, a power of two: byte ``b`` since the beginning stands at ``b`` modulo its size.
    end, code
        Rings of the ids by number, a power of two: where each ends among all bytes, and its hash.
    table
        Hash table of places in these rings, twice as large; linear probing.
    """
    for i in range(first, len(start)):
        if length[i] == 0:
            continue
        hashed = hash_bytes(data, start[i], length[i])
        place = _place(data, start[i], length[i], hashed, ids, end, code, table)
        if table[place] != _FREE:
            refusal[i] = _REPEATED_ID
            continue
        if refusal[i] != 0:
            continue
        if span[_NEXT] - span[_OLDEST] >= horizon:
            _forget_oldest(span, code, table)
            place = _place(data, start[i], length[i], hashed, ids, end, code, table)
        if not _has_room(span, length[i], ids, end):
            return i
        slot = span[_NEXT] & (len(end) - 1)
        begin = end[slot - 1]  # of slot 0 the one before is the last of the ring
        for k in range(length[i]):
            ids[(begin + k) & (len(ids) - 1)] = data[start[i] + k]
        end[slot] = begin + length[i]
        code[slot] = hashed
        table[place] = slot
        span[_NEXT] += 1
    return len(start)


@compiled
def _place(
    data: ByteColumn,
    start: int,
    length: int,
    hashed: np.uint64,
    ids: ByteColumn,
    end: Int64Column,
    code: NDArray[np.uint64],
    table: NDArray[np.int32],
) -> int:
    """Return where the table holds an id, or the free place where it belongs."""
    mask = len(table) - 1
    place = np.int64(hashed & np.uint64(mask))
    while table[place] != _FREE and not (
        code[table[place]] == hashed and _is_same(data, start, length, ids, end, table[place])
    ):
        place = (place + 1) & mask
    return int(place)


@compiled
def _is_same(data: ByteColumn, start: int, length: int, ids: ByteColumn, end: Int64Column, slot: int) -> bool:
    begin = end[slot - 1]
    if end[slot] - begin != length:
        return False
    for k in range(length):  # noqa: SIM110 - compiled code
        if ids[(begin + k) & (len(ids) - 1)] != data[start + k]:
            return False
    return True


@compiled
def _has_room(span: Int64Column, length: int, ids: ByteColumn, end: Int64Column) -> bool:
    """Tell whether one more id fits; the ring keeps the end of the one before the oldest."""
    mask = len(end) - 1
    if span[_NEXT] - span[_OLDEST] + 2 > len(end):
        return False
    return bool(end[(span[_NEXT] - 1) & mask] - end[(span[_OLDEST] - 1) & mask] + length <= len(ids))


@compiled
def _forget_oldest(span: Int64Column, code: NDArray[np.uint64], table: NDArray[np.int32]) -> None:
    """Take the oldest id out, and move up what its place has displaced (Knuth, TAOCP 6.4, algorithm R)."""
    mask = len(table) - 1
    slot = span[_OLDEST] & (len(code) - 1)
    span[_OLDEST] += 1
    hole = np.int64(code[slot] & np.uint64(mask))
    while table[hole] != slot:
        hole = (hole + 1) & mask
    following = (hole + 1) & mask
    while table[following] != _FREE:
        home = np.int64(code[table[following]] & np.uint64(mask))
        if ((following - home) & mask) >= ((following - hole) & mask):
            table[hole] = table[following]
            hole = following
        following = (following + 1) & mask
    table[hole] = _FREE


class RecentIds:
    """The ids of one stream.

    Costs 0.2 us a record, 0.4 where 100,000 ids no longer fit a cache, and per id held its bytes and 32 more; up to
    twice that while it grows. An id has at most 1024 bytes, so that a horizon of 100,000 ids of 36 bytes costs about
    7 MB a partition.

    Parameters
    ----------
    horizon
        Most ids held, at least 1.
    mark
        Compiled `mark_repeats`; by default compiled in this process.
    """

    def __init__(self, horizon: int, mark: MarkRepeats = mark_repeats) -> None:
        self._horizon = horizon
        self._mark = mark
        self._begin(_FEWEST_IDS, _FEWEST_BYTES)

    def __len__(self) -> int:
        return int(self._span[_NEXT] - self._span[_OLDEST])

    def mark(self, ids: KeyColumn, refusal: ByteColumn) -> None:
        """Refuse the repeats among ``n`` records in ``refusal``, and remember the ids of the others.

        Parameters
        ----------
        ids
            ``(n,)``; empty where a record has none.
        refusal
            ``(n,)`` reasons of records that cannot be used, else 0.
        """
        row = self._marked(ids, refusal, 0)
        while row < len(ids):
            self._make_room(int(ids.length[row]))
            row = self._marked(ids, refusal, row)

    def snapshot(self) -> StateImage:
        """Return the ids, oldest first."""
        held = self._held()
        return StateImage({"horizon": self._horizon}, {"ids": held.data, "length": held.length.astype(np.uint16)})

    def restore(self, image: StateImage) -> None:
        """Take over a snapshot.

        Raises
        ------
        StateError
            When it is of another horizon, or its parts do not fit together.
        """
        if set(image.sections) != {"ids", "length"} or image.header.get("horizon") != self._horizon:
            raise StateError(
                f"saved ids must be of horizon {self._horizon}, was {image.header.get('horizon')}: "
                "go on with the flow that wrote them, or start anew"
            )
        data, length = image.sections["ids"], image.sections["length"].astype(np.int64)
        if length.sum() != len(data) or (length == 0).any() or len(length) > self._horizon:
            raise StateError("saved ids must be consistent, were not: the state is damaged")
        self._begin(max(_FEWEST_IDS, 2 * len(length)), max(_FEWEST_BYTES, 2 * len(data)))
        self._enter(KeyColumn(data, np.cumsum(length) - length, length))

    def _marked(self, ids: KeyColumn, refusal: ByteColumn, first: int) -> int:
        data = ids.data.view()
        data.flags.writeable = False  # most are; of the others a second machine code would have to be compiled
        rings = self._ids, self._end, self._code, self._table
        return self._mark(data, ids.start, ids.length, refusal, first, self._horizon, self._span, *rings)

    def _make_room(self, length: int) -> None:
        """Double whatever would not take one more id of that length."""
        held = self._held()
        most = self._horizon + 2  # more ids are never held
        entries = len(self._end) if len(held) + 2 <= len(self._end) else min(2 * len(self._end), most)
        room = len(self._ids) if len(held.data) + length <= len(self._ids) else 2 * (len(held.data) + length)
        self._begin(entries, room)
        self._enter(held)

    def _held(self) -> KeyColumn:
        """Return copies of the ids held, oldest first."""
        number = np.arange(self._span[_OLDEST] - 1, self._span[_NEXT])
        end = self._end[number & (len(self._end) - 1)]
        place = np.arange(end[0], end[-1]) & (len(self._ids) - 1)
        return KeyColumn(self._ids[place], end[:-1] - end[0], np.diff(end))

    def _begin(self, entries: int, room: int) -> None:
        """Make empty rings for so many ids and bytes."""
        size = _power_of_two(entries)
        self._span = np.array([1, 1], np.int64)
        self._ids = np.zeros(_power_of_two(room), np.uint8)
        self._end = np.zeros(size, np.int64)
        self._code = np.zeros(size, np.uint64)
        self._table = np.full(2 * size, _FREE, np.int32)

    def _enter(self, known: KeyColumn) -> None:
        self._marked(known, np.zeros(len(known), np.uint8), 0)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
