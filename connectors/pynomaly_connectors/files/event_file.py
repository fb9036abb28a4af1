"""The events in a file of JSON lines, read back while a flow writes it.

The writer only appends, but a flow that restarts after a crash cuts its file back to what was durable and writes on
from there: the same events, perhaps in another order, for those of two input partitions may interleave differently.
So lines that were read may go and come again. Rules:

1. A line counts when its line feed is there.
2. When the file has changed, the last 256 KiB that were read are compared with it before reading goes on. Where they
   are others, the lines in memory are compared from the oldest on, and reading goes on at the first one that differs.
3. A position holds a digest of the bytes before it. Where these have changed while nobody looked, nobody knows which of
   the lines were taken: those in memory are handed out again rather than any be lost.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from pynomaly.application.event_log import Start, StoredEvent
from pynomaly.domain.error import MissingInputError, StateError, UnavailableError
from pynomaly.domain.record import RawRecord

_VERSION: Final = 1
_TAIL_BYTES: Final = 4_096
_COMPARED_BYTES: Final = 1 << 18
_MOST_LINES: Final = 10_000  # of one poll

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that was read: where it begins and ends, and what it is recognised by."""

    begin: int
    end: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """How many lines and bytes were read, and the digest of the last of these bytes."""

    line: int
    byte: int
    tail: str

    def token(self) -> bytes:
        return orjson.dumps({"byte": self.byte, "line": self.line, "tail": self.tail, "version": _VERSION})

    @classmethod
    def of(cls, token: bytes) -> _Place:
        match orjson.loads(token):
            case {"byte": int(byte), "line": int(line), "tail": str(tail), "version": int(version)} if (
                version == _VERSION
            ):
                return cls(line, byte, tail)
            case _:
                raise StateError(f"saved position must be one of a file of version {_VERSION}, was {token[:80]!r}")


class EventFile:
    """One file as an output with one partition, whose offsets are numbers of lines.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        """Path of the file."""
        return str(self._path)

    def partitions(self) -> list[str]:
        """Name the file.

        Raises
        ------
        MissingInputError
            When it does not exist.
        """
        if not self._path.is_file():
            raise MissingInputError(f"file must exist, was {str(self._path)!r}: start the flow that writes it first")
        return [str(self._path)]

    def open(
        self, partition: str, position: bytes | None, *, start: Start, memory: int, bounded: bool
    ) -> EventFilePartition:
        """Open the file; see the port.

        Raises
        ------
        UnavailableError
            When it cannot be read.
        """
        try:
            file = Path(partition).open("rb")  # noqa: SIM115 - the partition closes it
        except OSError as error:
            raise UnavailableError(f"file must be readable, was {partition!r}: {error.strerror}") from None
        try:
            return EventFilePartition(file, None if position is None else _Place.of(position), start, memory, bounded)
        except BaseException:
            file.close()
            raise


class EventFilePartition:
    """An open file; made by `EventFile.open`."""

    def __init__(self, file: BinaryIO, place: _Place | None, start: Start, memory: int, bounded: bool) -> None:  # noqa: FBT001
        self._file = file
        self._lines: deque[_Line] = deque(maxlen=max(memory, 1))
        self._read = 0
        self._byte = 0
        self._end = _whole_lines_end(file) if bounded else None
        self._known: deque[StoredEvent] = deque(maxlen=max(memory, 1))
        self._begins_at = self._go_to(place, start)
        self._begins_with = self._position()
        self._seen = self._last_bytes(_COMPARED_BYTES)
        self._stamp = (-1, -1)
        if memory == 0:
            self._known.clear()

    @property
    def begins_at(self) -> int:
        """Number of the first new line."""
        return self._begins_at

    @property
    def begins_with(self) -> bytes:
        """Position of the first new line."""
        return self._begins_with

    @property
    def at_end(self) -> bool:
        """Whether a bounded read has come to its end."""
        return self._end is not None and self._byte >= self._end and not self._known

    def poll(self) -> Sequence[StoredEvent]:
        """Return whole lines, at most 10,000 of them."""
        if self._known:
            known = list(self._known)
            self._known.clear()
            return known
        self._follow_cuts()
        events: list[StoredEvent] = []
        while len(events) < _MOST_LINES and (event := self._next()) is not None:
            events.append(event)
        if events:
            self._seen = self._last_bytes(_COMPARED_BYTES)
        return events

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _go_to(self, place: _Place | None, start: Start) -> int:
        """Read up to where new lines begin, and return the number of the first one."""
        stop = _whole_lines_end(self._file) if place is None else place.byte
        if place is None and start == "earliest":
            return 0
        while self._byte < stop and (event := self._next()) is not None:
            self._known.append(event)
        if place is None or (self._byte == place.byte and self._tail() == place.tail):
            return self._read
        _log.warning("alerts_file_cut_back", extra={"path": self._file.name, "lines": len(self._known)})
        return self._read - len(self._known)

    def _next(self) -> StoredEvent | None:
        """Read one line; None where none is whole."""
        if self._end is not None and self._byte >= self._end:
            return None
        self._file.seek(self._byte)
        line = self._file.readline()
        if not line.endswith(b"\n"):
            return None
        self._lines.append(_Line(self._byte, self._byte + len(line), _digest(line)))
        self._byte += len(line)
        self._read += 1
        return StoredEvent(RawRecord(line[:-1]), self._read - 1, self._position())

    def _follow_cuts(self) -> None:
        """Go back to the first line in memory that is no longer the same."""
        found = os.fstat(self._file.fileno())
        stamp = (found.st_size, found.st_mtime_ns)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if self._last_bytes(_COMPARED_BYTES) == self._seen:
            return
        changed = next((number for number, line in enumerate(self._lines) if not self._is_same(line)), 0)
        self._read -= len(self._lines) - changed
        self._byte = self._lines[changed].begin
        while len(self._lines) > changed:
            self._lines.pop()
        self._begins_at = min(self._begins_at, self._read)  # what stands there now may be new
        if changed == 0 and self._read > 0:
            raise UnavailableError(
                f"file must be the one that was read before, was replaced or cut back by more than "
                f"{self._lines.maxlen} lines: {self._file.name!r}; begin without a position"
            )

    def _is_same(self, line: _Line) -> bool:
        found = os.pread(self._file.fileno(), line.end - line.begin, line.begin)
        return _digest(found) == line.digest

    def _position(self) -> bytes:
        return _Place(self._read, self._byte, self._tail()).token()

    def _tail(self) -> str:
        return self._last_bytes(_TAIL_BYTES).hex()

    def _last_bytes(self, most: int) -> bytes:
        """Return a digest of the last bytes that were read."""
        size = min(self._byte, most)
        return _digest(os.pread(self._file.fileno(), size, self._byte - size))


def _whole_lines_end(file: BinaryIO) -> int:
    """Return where the last whole line ends now."""
    end = os.fstat(file.fileno()).st_size
    while end > 0:
        begin = max(0, end - _TAIL_BYTES)
        found = os.pread(file.fileno(), end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8).digest()
