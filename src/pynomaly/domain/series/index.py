"""The series of one stream, by number and by key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn, RecordBatch
from pynomaly.domain.series.admission import Admission, Eviction
from pynomaly.domain.series.clock import CLOCK
from pynomaly.domain.series.image import KNOWN, SWEEP, SeriesImage
from pynomaly.domain.series.table import (
    BOUNDS,
    GONE,
    LEDGER,
    NEEDS_QUEUE,
    NEEDS_ROOM,
    QUEUED,
    SERIES,
    FindSlots,
    Rebuild,
    find_slots,
    rebuild,
)
from pynomaly.domain.state import Array, StateImage

#: Most keys that the report of a sweep names.
EXAMPLES: Final = 20
#: Memory of a series in the index without its key: its row, two places in lists of slots, at most four in the table.
INDEX_BYTES: Final = SERIES.itemsize + 6 * 8
_LEAST_ROOM: Final = 256
_LEAST_KEY_BYTES: Final = 4096
_LEAST_QUEUE: Final = 1024


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was evicted since the report before.

    Parameters
    ----------
    row
        The record, as a row of its batch, before which the sweep came.
    evicted
        Series by why they had to go.
    live
        Series that are left.
    examples
        Keys of the first ones, at most `EXAMPLES`.
    """

    row: int
    evicted: dict[Eviction, int]
    live: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """Which series the records of a batch belong to, and what that did to others.

    Parameters
    ----------
    slot
        ``(n,)`` number of the series of each accepted record; numbers are used again, but not within a batch.
    reused
        ``(r,)`` numbers that belonged to other series before, and whose state must begin anew.
    gone
        ``(g,)`` numbers of the series that were evicted; records of theirs may stand in this very batch.
    evicted
        The same, counted.
    reports
        Of the sweeps that found something to tell.
    """

    slot: Int64Column
    reused: Int64Column
    gone: Int64Column
    evicted: dict[Eviction, int]
    reports: tuple[SweepReport, ...]


class SeriesIndex:
    """The series of one stream, bounded by an `Admission`.

    Which series live depends on the records alone, in their order. A lookup costs about 0.03 us. A series takes up
    to `INDEX_BYTES`, and its key at most twice; there are at most as many as the limit, and
    one more for each record of a batch while they replace each other.

    Parameters
    ----------
    admission
        How many series, and for how long.
    find, reenter
        Compiled `find_slots` and `rebuild`; by default compiled in this process.
    """

    def __init__(self, admission: Admission, find: FindSlots = find_slots, reenter: Rebuild = rebuild) -> None:
        self._find, self._reenter = find, reenter
        self._is_in_order = True
        self._bounds = np.zeros(1, BOUNDS)
        for name, bound in asdict(admission).items():
            self._bounds[name] = bound
        nothing = KeyColumn.of([])
        sweep = np.array([(admission.sweep_records, 0, 0)], SWEEP)
        self._take(SeriesImage(np.zeros(0, KNOWN), nothing, np.zeros(1, CLOCK), sweep, ()))

    def __len__(self) -> int:
        return int(self._ledger["live"][0])

    @property
    def slots(self) -> int:
        """Numbers that are or were in use are below this."""
        return int(self._ledger["used"][0])

    @property
    def is_in_order(self) -> bool:
        """Whether numbers go by the order in which series began: not any more once one is used again."""
        return self._is_in_order

    @property
    def live(self) -> slice | Int64Column:
        """Numbers of the series, those that began first first."""
        if self._is_in_order and len(self) == self.slots:
            return slice(0, self.slots)
        live = np.flatnonzero(self._rows["last_offset"][: self.slots] != GONE)
        return live[np.argsort(self._rows["born"][live])]

    def admit(self, batch: RecordBatch, refusal: ByteColumn) -> Admitted:
        """Find the series of each record, beginning and evicting as the rules say; refuse rows in ``refusal``.

        Gives away the numbers of the series that the batch before has evicted: their keys are not known any more.
        """
        free = self._release()
        slot, code = np.empty(len(batch), np.int64), np.empty(len(batch), np.int64)
        before, told = self._unreported(), dict.fromkeys(Eviction, 0)
        reports: list[SweepReport] = []
        row = self._advance(batch, refusal, code, slot, 0)
        while row < len(batch):
            pause = int(self._ledger["pause"][0])
            if pause == NEEDS_ROOM:
                self._make_room(int(batch.key.length[row]))
            elif pause == NEEDS_QUEUE:
                self._fill_queue()
            else:
                reports.append(self._report(row))
                told = {cause: told[cause] + count for cause, count in reports[-1].evicted.items()}
            row = self._advance(batch, refusal, code, slot, row)
        gone = self._note_gone()
        after = self._unreported()
        reused = self._free[int(self._ledger["free"][0]) : free].copy()
        self._is_in_order = self._is_in_order and len(reused) == 0
        evicted = {cause: after[cause] - before[cause] + told[cause] for cause in Eviction}
        return Admitted(slot, reused, gone, evicted, tuple(reports))

    def key(self, slot: int) -> str:
        """Return the key of a slot, until the batch after the one that evicted it."""
        return self._key_bytes(slot).decode()

    def born(self, slot: Int64Column) -> Int64Column:
        """Return the offset of the first record of each slot's series: no other series of the stream has the same."""
        born: Int64Column = self._rows["born"][slot]
        return born

    def snapshot(self) -> StateImage:
        """Return the series in the order in which they began, equal for equal records."""
        rows = self._rows[self.live]
        known = np.empty(len(rows), KNOWN)
        for name in KNOWN.names or ():
            known[name] = rows[name]
        sweep = np.zeros(1, SWEEP)
        for name in SWEEP.names or ():
            sweep[name] = self._ledger[name]
        key = KeyColumn(self._keys, rows["key_start"], rows["key_length"])
        return SeriesImage(known, key, self._clock.copy(), sweep, tuple(self._examples)).pack()

    def restore(self, image: StateImage) -> None:
        """Take over the series of a snapshot; they are numbered in their order.

        Raises
        ------
        StateError
            When they do not fit together.
        """
        self._take(SeriesImage.unpack(image))

    def _take(self, image: SeriesImage) -> None:
        count = len(image.known)
        self._clock = image.clock
        self._ledger = np.zeros(1, LEDGER)
        for name in SWEEP.names or ():
            self._ledger[name] = image.sweep[name]
        self._ledger["used"] = self._ledger["live"] = count
        self._rows = np.zeros(count, SERIES)
        for name in KNOWN.names or ():
            self._rows[name] = image.known[name]
        self._rows["key_start"], self._rows["key_length"] = image.key.start, image.key.length
        self._keys = image.key.data.copy()
        self._free, self._gone = np.empty(0, np.int64), np.empty(0, np.int64)
        self._queue = np.zeros(0, QUEUED)
        self._examples = list(image.examples)
        self._is_in_order, self._noted = True, 0
        self._make_room(0)

    def _advance(
        self, batch: RecordBatch, refusal: ByteColumn, code: Int64Column, slot: Int64Column, first: int
    ) -> int:
        data = batch.key.data.view()
        data.flags.writeable = False  # most are; of the others a second machine code would have to be compiled
        columns = (data, batch.key.start, batch.key.length, batch.offset, batch.time_ns, refusal, code, slot)
        store = (self._entries, self._rows, self._keys, self._free, self._gone, self._queue)
        return self._find(*columns, first, *store, self._ledger, self._clock, self._bounds)

    def _release(self) -> int:
        """Give away the slots of series that went in the batch before; return how many are free."""
        ledger = self._ledger
        free, count = int(ledger["free"][0]), int(ledger["gone"][0])
        gone = self._gone[:count]
        self._free[free : free + count] = gone
        self._rows["key_length"][gone] = 0
        ledger["free"] += count
        ledger["gone"] = self._noted = 0
        return free + count

    def _make_room(self, key_length: int) -> None:
        """Double what would not take one more series with a key of that length; leave unused keys behind."""
        ledger = self._ledger
        used, live = self.slots, len(self)
        if used == len(self._rows):
            room = max(2 * used, _LEAST_ROOM)
            self._rows = _longer(self._rows, room)
            self._free, self._gone = _longer(self._free, room), _longer(self._gone, room)
        key_bytes = int(self._rows["key_length"][:used].sum())
        keys = np.zeros(max(2 * key_bytes, key_bytes + key_length, _LEAST_KEY_BYTES), np.uint8)
        self._entries = np.zeros(1 << (2 * max(live + 1, _LEAST_ROOM) - 1).bit_length(), np.int64)
        ledger["key_bytes"] = self._reenter(self._rows, used, self._keys, keys, self._entries)
        self._keys = keys

    def _fill_queue(self) -> None:
        """Line up the series whose last records are oldest: enough of them that a new one seldom waits."""
        last = self._rows["last_offset"][: self.slots]
        live = np.flatnonzero(last != GONE)
        count = max(len(live) // 8, _LEAST_QUEUE)
        if count < len(live):
            live = live[np.argpartition(last[live], count)[:count]]
        live = live[np.argsort(last[live])]
        self._queue = np.zeros(len(live), QUEUED)
        self._queue["slot"], self._queue["last_offset"] = live, last[live]
        self._ledger["queued"], self._ledger["taken"] = len(live), 0

    def _report(self, row: int) -> SweepReport:
        self._note_gone(swept_from=int(self._ledger["swept"][0]))
        evicted, examples = self._unreported(), tuple(key.decode() for key in self._examples)
        self._examples = []
        for cause in Eviction:
            self._ledger[cause.label] = 0
        return SweepReport(row, evicted, len(self), examples)

    def _note_gone(self, swept_from: int | None = None) -> Int64Column:
        """Keep the keys of the first series that went, in an order of the stream; return all of this batch."""
        gone = self._gone[: int(self._ledger["gone"][0])].copy()
        middle = len(gone) if swept_from is None else swept_from
        swept = gone[middle:]
        new = np.concatenate([gone[self._noted : middle], swept[np.argsort(self.born(swept))]])
        for slot in new[: EXAMPLES - len(self._examples)].tolist():
            self._examples.append(self._key_bytes(slot))
        self._noted = len(gone)
        return gone

    def _unreported(self) -> dict[Eviction, int]:
        return {cause: int(self._ledger[cause.label][0]) for cause in Eviction}

    def _key_bytes(self, slot: int) -> bytes:
        begin, length = (int(self._rows[name][slot]) for name in ("key_start", "key_length"))
        return self._keys[begin : begin + length].tobytes()


def _longer(array: Array, length: int) -> Array:
    """Copy an array into a longer one; what lies beyond costs no memory before it is written."""
    longer = np.zeros(length, array.dtype)
    longer[: len(array)] = array
    return longer
