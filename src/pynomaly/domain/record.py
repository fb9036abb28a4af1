"""Records as columns: what one read of one input partition yields.

A record never becomes a Python object on the hot path. A batch holds one row for every record that
was read, refused ones included, so that "every record has exactly one outcome" is a matter of shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.origin import Origins

Int64Column = NDArray[np.int64]
Float64Matrix = NDArray[np.float64]
ByteColumn = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stream:
    """One input partition: the unit of order, time, state and replay.

    Parameters
    ----------
    name
        Topic, or path as the flow names it.
    partition
        Partition number; 0 where the source has none.
    incarnation
        Tells a recreated source of the same name from the old one (Kafka's topic id); may be empty.
    """

    name: str
    partition: int = 0
    incarnation: str = ""

    def __str__(self) -> str:
        return f"{self.name}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """Series keys as slices of one byte buffer: no Python string per record.

    Row ``i`` is ``data[start[i] : start[i] + length[i]]``, UTF-8.
    """

    data: ByteColumn
    start: Int64Column
    length: Int64Column

    @classmethod
    def of(cls, keys: Sequence[bytes]) -> KeyColumn:
        """Build a column from separate keys; costs about 0.1 us a key."""
        length = np.fromiter(map(len, keys), np.int64, len(keys))
        start = np.zeros(len(keys), np.int64)
        np.cumsum(length[:-1], out=start[1:])
        return cls(np.frombuffer(b"".join(keys), np.uint8), start, length)

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, row: int) -> bytes:
        begin = int(self.start[row])
        return self.data[begin : begin + int(self.length[row])].tobytes()

    def slice(self, start: int, stop: int) -> KeyColumn:
        """Return rows ``start:stop`` as views of the same buffer."""
        return KeyColumn(self.data, self.start[start:stop], self.length[start:stop])


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The bytes of a refused record as they arrived, for the dead letters.

    ``value_bytes`` says how long the value was where not all of it is here.
    """

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    value_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WholeMessages:
    """``n`` records as they arrived, to be passed on.

    Parameters
    ----------
    values, keys
        ``(n,)`` payloads and message keys; None where there is none.
    times_ms
        ``(n,)`` timestamps [ms]; negative where there is none.
    headers
        ``(n,)`` headers in their order.
    """

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    times_ms: Sequence[int]
    headers: Sequence[tuple[tuple[str, bytes | None], ...]]

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> WholeMessages:
        """Return rows ``start:stop``."""
        rows = slice(start, stop)
        return WholeMessages(self.values[rows], self.keys[rows], self.times_ms[rows], self.headers[rows])


def nothing_kept(_row: int) -> RawRecord:
    """Stand for the bytes of records that never were bytes."""
    return RawRecord(None)


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """``n`` consecutive records of one stream as columns.

    Parameters
    ----------
    stream
        Where they come from.
    offset
        ``(n,)`` strictly increasing position in the stream.
    time_ns
        ``(n,)`` event time, UTC epoch nanoseconds; 0 in refused rows.
    key
        ``(n,)`` series keys; empty in refused rows.
    values
        ``(n, d)`` finite values in the order of the flow's value fields; NaN in refused rows.
    refusal
        ``(n,)`` a `Reason` of outcome *rejected* or *ignored*, or 0 for an accepted row.
    raw
        Row -> the record as it arrived; asked for refused rows only.
    source_id
        ``(n,)`` ids that the producer gave the records, empty where one cannot be read; None unless the flow looks for
        repeats.
    origins
        Where the records stood in the input before they were ordered by series; None unless the flow does that.
    whole
        Returns the records as they arrived; None unless they are to be passed on.
    """

    stream: Stream
    offset: Int64Column
    time_ns: Int64Column
    key: KeyColumn
    values: Float64Matrix
    refusal: ByteColumn
    raw: Callable[[int], RawRecord] = nothing_kept
    source_id: KeyColumn | None = None
    origins: Origins | None = None
    whole: Callable[[], WholeMessages] | None = None

    def __len__(self) -> int:
        return len(self.offset)

    def refused(self) -> dict[int, RawRecord]:
        """Return the refused records, by row."""
        return {row: self.raw(row) for row in np.flatnonzero(self.refusal).tolist()}

    def slice(self, start: int, stop: int) -> RecordBatch:
        """Return rows ``start:stop`` as views of the same columns."""
        rows, whole = slice(start, stop), self.whole
        return RecordBatch(
            self.stream,
            self.offset[rows],
            self.time_ns[rows],
            self.key.slice(start, stop),
            self.values[rows],
            self.refusal[rows],
            lambda row: self.raw(row + start),
            None if self.source_id is None else self.source_id.slice(start, stop),
            None if self.origins is None else self.origins.slice(start, stop),
            None if whole is None else lambda: whole().slice(start, stop),
        )
