"""What the lines of a file mean: JSON lines, or CSV with a header."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.error import UnavailableError
from pynomaly.domain.record import RecordBatch, Stream
from pynomaly_connectors.codecs.csv_rows import Cells, CsvDecoder, split_rows
from pynomaly_connectors.codecs.fields import is_utf8
from pynomaly_connectors.codecs.identified import IdentifiedCsvDecoder
from pynomaly_connectors.codecs.payload import Decoder, RawBatch
from pynomaly_connectors.files.lines import LineBlock

_SHOWN_BYTES: Final = 80  # of a header that cannot be read
_FEWEST_CELLS: Final = 2  # a row of one cell may be a blank line


@dataclass(frozen=True, slots=True)
class Taken:
    """What was made of lines.

    Parameters
    ----------
    batch
        The records; None when there are none.
    end
        Position in the file behind the last line that was used up; None when none was.
    """

    batch: RecordBatch | None = None
    end: int | None = None


class LineFormat(Protocol):
    """Turns the lines of one file, in order, into records."""

    @property
    def header(self) -> list[str] | None:
        """Column names read so far; what a reader that goes on in the middle of the file must be given."""
        ...

    @property
    def pending(self) -> bool:
        """Whether lines are kept that need no further ones to become records."""
        ...

    def take(self, block: LineBlock, offset: int, *, ended: bool) -> Taken:
        """Decode further lines; the first record gets ``offset``. ``ended`` says that no more lines will come."""
        ...


class JsonLines:
    """One JSON object a line; blank lines are no records."""

    header: list[str] | None = None
    pending = False

    def __init__(self, stream: Stream, decoder: Decoder) -> None:
        self._stream = stream
        self._decoder = decoder

    def take(self, block: LineBlock, offset: int, *, ended: bool) -> Taken:  # noqa: ARG002 - a line is a record
        """Decode further lines."""
        if not len(block):
            return Taken()
        start, length = block.start, block.length
        blank = _blank(block)
        if blank.any():
            start, length = start[~blank], length[~blank]
        raw = RawBatch(block.column, start, length, np.arange(offset, offset + len(start)))
        batch = self._decoder.decode(self._stream, raw) if len(raw) else None
        return Taken(batch, int(block.end[-1]))


def _blank(block: LineBlock) -> NDArray[np.bool_]:
    blank: NDArray[np.bool_] = block.length == 0
    first = block.column[np.where(blank, 0, block.start)]
    for row in np.flatnonzero(~blank & (first <= ord(" "))).tolist():
        begin = int(block.start[row])
        blank[row] = not block.data[begin : begin + int(block.length[row])].strip()
    return blank


class CsvLines:
    """Rows of cells under a header; a row may span lines.

    Parameters
    ----------
    stream
        Where the records come from.
    spec
        The shape of the records.
    delimiter
        Column separator.
    batch_records
        Most records made at once.
    header
        Column names, where reading goes on behind them.
    ids
        How the ids of records are read; None: they have none.

    Raises
    ------
    ConfigError
        When the header has not the columns that the flow needs; also from `take`.
    UnavailableError
        When the header cannot be read; from `take`.
    """

    def __init__(
        self,
        stream: Stream,
        spec: RecordSpec,
        delimiter: str,
        batch_records: int,
        header: list[str] | None,
        ids: RecordSpec | None = None,
    ) -> None:
        self._stream = stream
        self._spec = spec
        self._ids = ids
        self._delimiter = delimiter
        self._batch_records = batch_records
        self._lines: list[bytes] = []  # not used up: an open quote, or more than one batch
        self._ends: list[int] = []
        self.pending = False
        self.header: list[str] | None = None
        self._decoder: CsvDecoder | IdentifiedCsvDecoder | None = None
        if header is not None:
            self._begin(header)

    def _begin(self, header: list[str]) -> None:
        self.header = header
        records = CsvDecoder(self._spec, header, self._stream.name)
        ids = None if self._ids is None else CsvDecoder(self._ids, header, self._stream.name)
        self._decoder = records if ids is None else IdentifiedCsvDecoder(records, ids)

    def take(self, block: LineBlock, offset: int, *, ended: bool) -> Taken:
        """Decode further lines."""
        taken = None if self._lines or self._decoder is None else self._plain(block, offset)
        return self._take_odd(block, offset, ended=ended) if taken is None else taken

    def _plain(self, block: LineBlock, offset: int) -> Taken | None:
        """Decode lines that are one row each, three times as fast; None where any is not."""
        if not len(block) or self._decoder is None or block.length.max() > self._spec.max_bytes:
            return None
        data = block.data[block.start[0] : block.start[-1] + block.length[-1]]
        if b'"' in data:
            return None
        try:
            rows = list(csv.reader(_text_lines(data.decode()), delimiter=self._delimiter, strict=True))
        except (UnicodeDecodeError, csv.Error):
            return None
        if len(rows) != len(block) or min(map(len, rows)) < _FEWEST_CELLS:  # odd line ends, blank lines
            return None
        raw = RawBatch(block.column, block.start, block.length, np.arange(offset, offset + len(block)))
        return Taken(self._decoder.decode(self._stream, rows, raw), int(block.end[-1]))

    def _take_odd(self, block: LineBlock, offset: int, *, ended: bool) -> Taken:
        self._lines += block.lines()
        self._ends += block.end.tolist()
        rows: list[Cells | None] = []
        payloads: list[bytes | None] = []
        used = 0
        for cells, lines in self._rows(ended=ended):
            first, used = used, used + lines
            if cells is not None and len(cells) <= 1 and not b"".join(self._lines[first:used]).strip():
                continue
            if self._decoder is None:
                self._begin(self._header(cells, b"\n".join(self._lines[first:used])))
                continue
            rows.append(cells)
            payloads.append(b"\n".join(self._lines[first:used]))
            if len(rows) == self._batch_records:
                break
        return self._taken(rows, payloads, used, offset)

    def _header(self, cells: Cells | None, line: bytes) -> Cells:
        """Return the cells of the header; say what kind of file it is that has none."""
        if cells is not None:
            return cells
        if b"\r" in line.rstrip(b"\r"):
            rule = "must have lines that end in LF or CR LF, was CR alone"
            remedy = "convert it (tr '\\r' '\\n')"
        elif not is_utf8(line):
            rule, remedy = "must be UTF-8, was not in its header", "convert it (iconv -f ISO-8859-1 -t UTF-8, say)"
        else:
            rule = (
                f"must begin with a header that is a row of CSV, was {line[:_SHOWN_BYTES].decode(errors='replace')!r}"
            )
            remedy = "close its quotes"
        raise UnavailableError(f"file {rule}: {self._stream.name!r}; {remedy}")

    def _taken(self, rows: list[Cells | None], payloads: list[bytes | None], used: int, offset: int) -> Taken:
        end = self._ends[used - 1] if used else None
        del self._lines[:used], self._ends[:used]
        self.pending = bool(self._lines) and len(rows) == self._batch_records
        if not rows or self._decoder is None:
            return Taken(None, end)
        raw = RawBatch.of(payloads, np.arange(offset, offset + len(rows)))
        return Taken(self._decoder.decode(self._stream, rows, raw), end)

    def _rows(self, *, ended: bool) -> list[tuple[Cells | None, int]]:
        data = b"".join([line + b"\n" for line in self._lines])
        most = self._spec.max_bytes
        try:
            lines = _text_lines(data.decode())
        except UnicodeDecodeError:
            lines = _text_lines(data.decode(errors="surrogateescape"))
            rows = split_rows(lines, self._delimiter, most_characters=most, ended=ended)
            return [(cells if cells is None or all(map(_is_text, cells)) else None, used) for cells, used in rows]
        return [*split_rows(lines, self._delimiter, most_characters=most, ended=ended)]


def _text_lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))  # `splitlines` would also cut at form feeds and the like


def _is_text(cell: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in cell)
