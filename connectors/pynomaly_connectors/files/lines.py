"""Lines out of chunks of bytes, with exact positions and bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pynomaly.domain.record import ByteColumn, Int64Column

_NEWLINE: Final = 10


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Consecutive lines.

    Parameters
    ----------
    data
        Bytes that hold them, each behind the other.
    start, length
        ``(n,)`` where each lies, without its line feed.
    end
        ``(n,)`` position in the file of what follows each line and its line feed.
    """

    data: bytes
    start: Int64Column
    length: Int64Column
    end: Int64Column

    def __len__(self) -> int:
        return len(self.start)

    @property
    def column(self) -> ByteColumn:
        """The bytes as an array."""
        return np.frombuffer(self.data, np.uint8)

    def lines(self) -> list[bytes]:
        """Return the lines one by one."""
        return [self.data[a : a + n] for a, n in zip(self.start.tolist(), self.length.tolist(), strict=True)]


class LineBuffer:
    """Cuts chunks into lines at line feeds.

    A line with more than ``most_bytes`` bytes is cut after ``most_bytes + 1``, enough to be told as too long. So
    memory stays below a chunk and such a line, and what comes out does not depend on how the chunks fell.

    Parameters
    ----------
    position
        Where the first chunk begins in its file.
    most_bytes
        Longest line that is kept whole.
    """

    def __init__(self, position: int, most_bytes: int) -> None:
        self._kept_bytes = most_bytes + 1
        self._data = b""
        self._begin = 0  # of the first line not taken, in `_data`
        self._shift = position  # position in the file of what stands at 0 in `_data`, behind all dropped bytes
        self._ends = np.zeros(0, np.int64)  # line feeds in `_data` from `_begin` on

    @property
    def whole_lines(self) -> int:
        """How many lines can be taken."""
        return len(self._ends)

    def feed(self, chunk: bytes) -> None:
        """Add the next bytes of the file. Only when no whole line is left."""
        rest = self._data[self._begin :]
        self._shift += self._begin
        surplus = len(rest) - self._kept_bytes
        if surplus >= 0:  # of one overlong line; its tail is dropped as it comes
            rest = rest[: self._kept_bytes]
            tail = chunk.find(b"\n")
            tail = len(chunk) if tail < 0 else tail
            chunk = chunk[tail:]
            self._shift += surplus + tail
        self._data, self._begin = rest + chunk, 0
        self._ends = np.flatnonzero(np.frombuffer(self._data, np.uint8) == _NEWLINE)

    def take(self, most: int) -> LineBlock:
        """Return up to ``most`` whole lines and move behind them."""
        ends = self._ends[:most]
        self._ends = self._ends[most:]
        return self._cut(ends, feed_bytes=1)

    def take_rest(self) -> LineBlock:
        """Return what stands behind the last line feed as the last line, if there is anything."""
        return self._cut(np.full(int(self._begin < len(self._data)), len(self._data), np.int64), feed_bytes=0)

    def _cut(self, ends: Int64Column, *, feed_bytes: int) -> LineBlock:
        behind = ends + feed_bytes
        start = np.append(self._begin, behind)[:-1]
        self._begin = int(behind[-1]) if len(ends) else self._begin
        return LineBlock(self._data, start, np.minimum(ends - start, self._kept_bytes), behind + self._shift)
