"""The compiled table of series: keys to slots, admission, expiry and eviction, record by record.

Keys are found by a hash table over their bytes with linear probing, at most half full; stored keys are compared byte
by byte, so two keys never share a series. An evicted key is taken out by shifting back what follows it (Knuth, "The Art
of Computer Programming", volume 3, section 6.4, algorithm R), so nothing is left behind that would slow later searches.

For each record, in order:

1. a sweep that is due comes first: series that are idle for too long are evicted;
2. the record's key is looked up; a series that is idle for too long is evicted, and the record begins it anew;
3. a key that is not known begins a series. At the limit the series whose last record is oldest is evicted for it, or
   the record is refused;
4. the record's time moves the clock, and the series remembers the record.

An evicted series keeps its slot until the records at hand are done with; only then another one may get it. So within
one call a slot means one series, and which slots are used depends on where batches are cut; which series live and
what became of each record does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.byte_hash import hash_bytes
from pynomaly.domain.jit import Row, compiled, inlined
from pynomaly.domain.outcome import Reason
from pynomaly.domain.prefetch import prefetch
from pynomaly.domain.record import ByteColumn, Int64Column
from pynomaly.domain.series.clock import is_idle, seen_at, tick

#: What is known of a series. ``born`` is the offset of its first record: no other series of the stream has the same.
#: ``last_offset`` is that of its last one, or `GONE`; ``seen_ns`` is when that was, by `seen_at`.
SERIES: Final = np.dtype(
    [("born", "i8"), ("last_offset", "i8"), ("seen_ns", "i8"), ("key_start", "i8"), ("key_length", "i8")], align=True
)
#: `Admission` as compiled code sees it.
BOUNDS: Final = np.dtype(
    [("limit", "i8"), ("idle_ns", "i8"), ("evicts", "i8"), ("max_jump_ns", "i8"), ("sweep_records", "i8")], align=True
)
#: Where the table stands. ``used`` slots were ever given out, ``live`` series are known, ``free`` slots wait for
#: another series, ``gone`` series were evicted by the records at hand, those from ``swept`` on by a sweep; of the
#: oldest series in the queue, ``taken`` of ``queued`` were looked at; a sweep comes after ``until_sweep`` more records.
LEDGER: Final = np.dtype(
    [
        ("used", "i8"),
        ("live", "i8"),
        ("key_bytes", "i8"),
        ("free", "i8"),
        ("gone", "i8"),
        ("swept", "i8"),
        ("expired", "i8"),
        ("displaced", "i8"),
        ("queued", "i8"),
        ("taken", "i8"),
        ("until_sweep", "i8"),
        ("pause", "i8"),
    ],
    align=True,
)
#: A series of the queue, as it was when the queue was made.
QUEUED: Final = np.dtype([("slot", "i8"), ("last_offset", "i8")], align=True)

GONE: Final = -1
#: Why `find_slots` paused: it needs more room, a new queue, or somebody to hear of a sweep.
NEEDS_ROOM, NEEDS_QUEUE, HAS_SWEPT = 1, 2, 3

FindSlots = Callable[..., int]
Rebuild = Callable[..., int]

_SERIES_LIMIT = int(Reason.SERIES_LIMIT)
_FREE: Final = 0
_CODE_BITS: Final = 32  # an entry is a code of 31 bits and, below it, the slot plus 1
_SLOT_MASK: Final = (1 << _CODE_BITS) - 1
# Records ahead at which the entry, the series and the key of a record are asked for: see `pynomaly.domain.prefetch`.
_FAR, _MIDDLE, _NEAR = 24, 16, 8
_LAST_FIELD: Final = 32  # of a series: its row may lie across two lines


class Store(NamedTuple):
    """The arrays of the table.

    Parameters
    ----------
    entries
        ``(2**k,)`` hash table.
    rows
        ``(slots,)`` of `SERIES`.
    keys
        Bytes of all keys, in the order in which they came.
    free, gone
        ``(slots,)`` of which as many hold slots as the ledger says.
    queue
        Of `QUEUED`, oldest first.
    """

    entries: Int64Column
    rows: NDArray[Any]
    keys: ByteColumn
    free: Int64Column
    gone: Int64Column
    queue: NDArray[Any]


class Keyed(NamedTuple):
    """Columns of ``n`` records; ``refusal`` and ``slot`` are written, ``code`` holds the hashes of the keys."""

    data: ByteColumn
    start: Int64Column
    length: Int64Column
    offset: Int64Column
    time_ns: Int64Column
    refusal: ByteColumn
    code: Int64Column
    slot: Int64Column


@compiled
def find_slots(
    data: ByteColumn,
    start: Int64Column,
    length: Int64Column,
    offset: Int64Column,
    time_ns: Int64Column,
    refusal: ByteColumn,
    code: Int64Column,
    slot: Int64Column,
    first: int,
    entries: Int64Column,
    rows: NDArray[Any],
    keys: ByteColumn,
    free: Int64Column,
    gone: Int64Column,
    queue: NDArray[Any],
    ledger: NDArray[Any],
    clock: NDArray[Any],
    bounds: NDArray[Any],
) -> int:
    """Give rows from ``first`` on their slots by the rules above; return the row count, or the row it paused at.

    The ledger says why it paused; whatever was missing, the same row goes on where it stood.
    """
    batch = Keyed(data, start, length, offset, time_ns, refusal, code, slot)
    store = Store(entries, rows, keys, free, gone, queue)
    if first == 0:
        for row in range(len(start)):
            code[row] = _hash(data, start[row], length[row]) if refusal[row] == 0 else 0
    return _find(batch, store, ledger[0], clock[0], bounds[0], first)


@compiled
def _find(batch: Keyed, store: Store, ledger: Row, clock: Row, bounds: Row, first: int) -> int:
    last = len(batch.start) - 1
    for row in range(first, last + 1):
        _look_ahead(batch, store, row, last)
        if batch.refusal[row] != 0:
            batch.slot[row] = 0
            continue
        if ledger.until_sweep <= 0 and _sweep(store, ledger, clock, bounds):
            ledger.pause = HAS_SWEPT
            return row
        entry = store.entries[_place(batch, store, row)]
        if entry == _FREE or is_idle(clock, bounds.idle_ns, store.rows[_slot_of(entry)].seen_ns):
            pause = _begin(batch, store, ledger, clock, bounds, row)
            if pause != 0:
                ledger.pause = pause
                return row
        else:
            batch.slot[row] = _slot_of(entry)
        ledger.until_sweep -= 1
        tick(clock, bounds.max_jump_ns, batch.time_ns[row])
        if batch.refusal[row] == 0:
            series: Row = store.rows[batch.slot[row]]
            series.last_offset = batch.offset[row]
            series.seen_ns = seen_at(clock, batch.time_ns[row])
    return last + 1


@inlined
def _look_ahead(batch: Keyed, store: Store, row: int, last: int) -> None:
    # Rows that were refused look at the entry of code 0, which harms nobody.
    mask = len(store.entries) - 1
    prefetch(store.entries, batch.code[min(row + _FAR, last)] & mask, 0)
    middle = _likely(store, batch.code[min(row + _MIDDLE, last)])
    if middle != _FREE:
        prefetch(store.rows, _slot_of(middle), 0)
        prefetch(store.rows, _slot_of(middle), _LAST_FIELD)
    near = _likely(store, batch.code[min(row + _NEAR, last)])
    if near != _FREE:
        prefetch(store.keys, store.rows[_slot_of(near)].key_start, 0)


@inlined
def _likely(store: Store, code: int) -> int:
    """Return the first entry of a code, which is almost always the right one, or a free one."""
    mask = len(store.entries) - 1
    place = code & mask
    while store.entries[place] != _FREE and store.entries[place] >> _CODE_BITS != code:
        place = (place + 1) & mask
    return store.entries[place]


@compiled
def _begin(batch: Keyed, store: Store, ledger: Row, clock: Row, bounds: Row, row: int) -> int:
    """Begin a series at a row, or refuse the row; return 0, or what must be done first."""
    place = _place(batch, store, row)
    entry = store.entries[place]
    if entry == _FREE and ledger.live >= bounds.limit and bounds.evicts == 0:
        batch.refusal[row] = _SERIES_LIMIT
        batch.slot[row] = 0
        return 0
    if not _has_room(store, ledger, batch.length[row]):
        return NEEDS_ROOM
    if entry != _FREE:
        _take_out(store, ledger, place)
        ledger.expired += 1
    elif ledger.live >= bounds.limit:
        oldest = _oldest(store, ledger)
        if oldest < 0:
            return NEEDS_QUEUE
        if is_idle(clock, bounds.idle_ns, store.rows[oldest].seen_ns):
            ledger.expired += 1
        else:
            ledger.displaced += 1
        _take_out(store, ledger, _place_of_slot(store, oldest))
    _enter(batch, store, ledger, row)
    return 0


@compiled
def _has_room(store: Store, ledger: Row, key_length: int) -> bool:
    has_slot = ledger.free > 0 or ledger.used < len(store.rows)
    half_empty = 2 * (ledger.live + 1) <= len(store.entries)
    return has_slot and half_empty and ledger.key_bytes + key_length <= len(store.keys)


@compiled
def _enter(batch: Keyed, store: Store, ledger: Row, row: int) -> None:
    if ledger.free > 0:
        ledger.free -= 1
        slot = store.free[ledger.free]
    else:
        slot = ledger.used
        ledger.used += 1
    begin, start, length = ledger.key_bytes, batch.start[row], batch.length[row]
    _copy(batch.data, start, store.keys, begin, length)
    ledger.key_bytes += length
    ledger.live += 1
    series: Row = store.rows[slot]
    series.born = batch.offset[row]
    series.key_start, series.key_length = begin, length
    batch.slot[row] = slot
    # The place anew: taking another key out may have shifted the one that was free.
    store.entries[_place(batch, store, row)] = (batch.code[row] << _CODE_BITS) | (slot + 1)


@compiled
def _take_out(store: Store, ledger: Row, place: int) -> None:
    """Evict the series of an entry: its key is no longer found, its slot is kept for now."""
    slot = _slot_of(store.entries[place])
    store.rows[slot].last_offset = GONE
    store.gone[ledger.gone] = slot
    ledger.gone += 1
    ledger.live -= 1
    mask = len(store.entries) - 1
    hole, place = place, (place + 1) & mask
    while store.entries[place] != _FREE:
        home = (store.entries[place] >> _CODE_BITS) & mask
        if (place - home) & mask >= (place - hole) & mask:  # its search passes the hole
            store.entries[hole] = store.entries[place]
            hole = place
        place = (place + 1) & mask
    store.entries[hole] = _FREE


@compiled
def _oldest(store: Store, ledger: Row) -> int:
    """Return the slot of the series whose last record is oldest, or -1 when the queue has run dry.

    The queue held the oldest ones when it was made. Since then series were touched, and so became younger than any that
    is still in it, or evicted: what stands first and is as it was is the oldest.
    """
    while ledger.taken < ledger.queued:
        entry: Row = store.queue[ledger.taken]
        ledger.taken += 1
        series: Row = store.rows[entry.slot]
        if series.last_offset == entry.last_offset:
            slot: int = entry.slot
            return slot
    return -1


@compiled
def _sweep(store: Store, ledger: Row, clock: Row, bounds: Row) -> bool:
    """Evict all that is idle for too long; return whether there is anything to tell since the last sweep.

    A time ahead of the clock is set back to it: a series that one absurd record has moved into the future expires like
    any other.
    """
    ledger.swept = ledger.gone
    if bounds.idle_ns > 0 and clock.records > 2:
        for slot in range(ledger.used):
            series: Row = store.rows[slot]
            if series.last_offset == GONE:
                continue
            if is_idle(clock, bounds.idle_ns, series.seen_ns):
                ledger.expired += 1
                _take_out(store, ledger, _place_of_slot(store, slot))
            series.seen_ns = min(series.seen_ns, clock.now_ns)
    ledger.until_sweep = max(bounds.sweep_records, ledger.live)
    return ledger.expired + ledger.displaced > 0


@compiled
def _place(batch: Keyed, store: Store, row: int) -> int:
    """Return the place of a row's key in the hash table, or the free one where it would go."""
    mask = len(store.entries) - 1
    code, start, length = batch.code[row], batch.start[row], batch.length[row]
    place = code & mask
    while store.entries[place] != _FREE:
        entry: Any = store.entries[place]
        if entry >> _CODE_BITS == code and _equal(store, _slot_of(entry), batch.data, start, length):
            return place
        place = (place + 1) & mask
    return place


@compiled
def _place_of_slot(store: Store, slot: int) -> int:
    mask = len(store.entries) - 1
    series: Row = store.rows[slot]
    place = _hash(store.keys, series.key_start, series.key_length) & mask
    while _slot_of(store.entries[place]) != slot:
        place = (place + 1) & mask
    return place


@inlined
def _copy(source: ByteColumn, start: int, target: ByteColumn, begin: int, length: int) -> None:
    for position in range(length):  # a slice assignment would take seconds to compile
        target[begin + position] = source[start + position]


@inlined
def _slot_of(entry: int) -> int:
    return (entry & _SLOT_MASK) - 1


@inlined
def _hash(data: ByteColumn, start: int, length: int) -> int:
    """Return the hash of a key, folded to 31 bits."""
    code = hash_bytes(data, start, length)
    folded: Any = np.int64((code ^ (code >> np.uint64(32))) & np.uint64(0x7FFFFFFF))
    return folded


@inlined
def _equal(store: Store, slot: int, data: ByteColumn, start: int, length: int) -> bool:
    series: Row = store.rows[slot]
    begin = series.key_start
    if series.key_length != length:
        return False
    for position in range(length):  # noqa: SIM110 - compiled code
        if store.keys[begin + position] != data[start + position]:
            return False
    return True


@compiled
def rebuild(rows: NDArray[Any], used: int, old_keys: ByteColumn, keys: ByteColumn, entries: Int64Column) -> int:
    """Move the keys of the first ``used`` slots together, and enter the live series into an empty hash table.

    Return how many bytes the keys take. Keys of series that are gone are kept as long as their rows have a length.
    """
    end, mask = 0, len(entries) - 1
    for slot in range(used):
        series: Row = rows[slot]
        begin, length = series.key_start, series.key_length
        _copy(old_keys, begin, keys, end, length)
        series.key_start = end
        if series.last_offset != GONE:
            code = _hash(keys, end, length)
            place = code & mask
            while entries[place] != _FREE:
                place = (place + 1) & mask
            entries[place] = (code << _CODE_BITS) | (slot + 1)
        end += length
    return end
