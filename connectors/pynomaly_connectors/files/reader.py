"""One open file as a partition."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.files.content import HEAD_BYTES, Content, head_hash
from pynomaly_connectors.files.formats import LineFormat
from pynomaly_connectors.files.lines import LineBlock, LineBuffer

CHUNK_BYTES: Final = 1 << 20
_VERSION: Final = 1
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class FilePosition:
    """Where reading goes on, and what the file is recognised by.

    Parameters
    ----------
    byte
        Position in the unpacked content.
    record
        Number of the next record.
    head_bytes, head
        How many of the first bytes were read, up to 4096, and their hash: a file that was replaced or cut has
        others. (A hash, not the inode: a restored copy is the same file.)
    header
        Column names of a CSV file.
    """

    byte: int = 0
    record: int = 0
    head_bytes: int = 0
    head: str = head_hash(b"")
    header: list[str] | None = None

    def encode(self) -> bytes:
        """Return the token for the recovery store; equal positions give equal bytes."""
        return json.dumps({"version": _VERSION, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, token: bytes) -> FilePosition:
        """Read a token.

        Raises
        ------
        StateError
            When it is not one of ours, or of a newer version.
        """
        try:
            fields = json.loads(token)
            version = fields.pop("version")
            if version == _VERSION:
                return cls(**fields)
        except (ValueError, TypeError, AttributeError, KeyError):
            raise StateError(f"file position must be one that pynomaly wrote, was {token[:80]!r}") from None
        raise StateError(f"file position must be of version {_VERSION}, was {version}: written by a newer pynomaly")


class FileReader:
    """Reads one file record by record number.

    Nothing blocks but the disk: at the end of a followed file `poll` returns None at once, and pacing is the
    caller's. A last line without line feed is a record where the file has ended. Where it is followed, its writer is
    not done with it: it waits, and a bounded read leaves it to the next one.

    Parameters
    ----------
    content
        The file, at its beginning.
    stream
        What the batches say they come from.
    lines
        Format of the lines.
    position
        Where to go on.
    batch_records
        Most records in one read.
    most_bytes
        Longest record that is kept whole.
    follow
        More may be written to the file.
    bounded
        Stop at the end all the same, instead of waiting for it.

    Raises
    ------
    UnavailableError
        When the file is not the one that ``position`` was taken in, or is not UTF-8.
    """

    def __init__(
        self,
        content: Content,
        stream: Stream,
        lines: LineFormat,
        position: FilePosition,
        *,
        batch_records: int,
        most_bytes: int,
        follow: bool,
        bounded: bool,
    ) -> None:
        self._content = content
        self._stream = stream
        self._format = lines
        self._batch_records = batch_records
        self._most_bytes = most_bytes
        self._follow = follow
        self._waits = follow and not bounded
        self._byte, self._record = position.byte, position.record
        self._head = self._go_to(position)
        self._buffer = LineBuffer(position.byte, most_bytes)
        self._ended = False

    def _go_to(self, position: FilePosition) -> bytes:
        head = self._content.read(position.head_bytes) if position.head_bytes else b""
        if head_hash(head) != position.head or not self._content.skip_to(position.byte):
            raise UnavailableError(
                f"file must be the one that was read before, was replaced or cut: {self._stream.name!r}; "
                f"put the old one back, or start over with --reset-state (stopped at byte {position.byte})"
            )
        return head

    @property
    def stream(self) -> Stream:
        """Which stream the batches belong to."""
        return self._stream

    @property
    def at_end(self) -> bool:
        """Whether all of a file that is not waited for was returned."""
        return self._ended and not self._format.pending

    @property
    def lag(self) -> int | None:
        """0 at the end, else unknowable: records are counted only by reading them."""
        return 0 if self.at_end else None

    @property
    def skipped(self) -> int:
        """None: what was deleted from a file cannot be told from what never stood there."""
        return 0

    @property
    def outage(self) -> None:
        """None: a file that cannot be read is an error at once."""
        return

    def poll(self) -> RecordBatch | None:
        """Return the next records, at most one chunk of the file; None if that holds none."""
        if self.at_end:
            return None
        lines = self._next_lines()
        taken = self._format.take(lines, self._record, ended=self._ended and not self._follow)
        self._byte = self._byte if taken.end is None else taken.end
        self._record += 0 if taken.batch is None else len(taken.batch)
        return taken.batch

    def _next_lines(self) -> LineBlock:
        if not self._buffer.whole_lines and not self._format.pending and not self._ended:
            chunk = self._content.read(CHUNK_BYTES)
            if chunk:
                self._feed(chunk)
            elif self._waits:
                self._content.check_unchanged()
            else:
                self._ended = True
                self._content.close()
                if not self._follow:
                    return self._buffer.take_rest()
        return self._buffer.take(0 if self._format.pending else self._batch_records)

    def _feed(self, chunk: bytes) -> None:
        begin = self._content.position - len(chunk)
        if begin == 0:
            if chunk.startswith(_UTF_16_MARKS):
                raise UnavailableError(
                    f"file must be UTF-8, was UTF-16: {self._stream.name!r}; convert it (iconv -f UTF-16 -t UTF-8)"
                )
            if chunk.startswith(_BYTE_ORDER_MARK):
                self._buffer = LineBuffer(len(_BYTE_ORDER_MARK), self._most_bytes)
        if begin == len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._buffer.feed(
            chunk[len(_BYTE_ORDER_MARK) :] if begin == 0 and chunk.startswith(_BYTE_ORDER_MARK) else chunk
        )

    def position(self) -> bytes:
        """Return where the next reader goes on."""
        head = self._head[: self._byte]
        return FilePosition(self._byte, self._record, len(head), head_hash(head), self._format.header).encode()

    def confirm(self, position: bytes) -> None:
        """Nothing to be done: a file forgets nothing."""

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._content.close()
