"""CSV: lines to rows of cells, and rows of cells to columns.

Quoting is what Python's ``csv`` module reads in strict mode, line breaks inside quotes included; a cell has 131072
characters at the most. Spaces around a cell are no part of it. The reasons are those of
`pynomaly_connectors.codecs.fields`: an empty cell is a missing field, a row with another number of cells than the
header is malformed, and so is one that is not UTF-8.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from pynomaly.application.spec.record import RecordSpec
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import Float64Matrix, KeyColumn, RecordBatch, Stream
from pynomaly_connectors.codecs.fields import MAX_KEY_BYTES, SeriesRule, TimeRule, number_from_text
from pynomaly_connectors.codecs.payload import RawBatch
from pynomaly_connectors.codecs.rows import RefusedError, Row, assemble, refused_row, same_key

Cells = list[str]
_SURELY_SHORT: Final = MAX_KEY_BYTES // 4  # characters: none has more than four bytes


class CsvRow(NamedTuple):
    """One row: its cells, or None where they cannot be told apart, and how many lines it takes."""

    cells: Cells | None
    lines: int


class _Lines:
    """An iterator over lines that knows where it is and can be set back."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.position = 0
        self.ran_out = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.position == len(self._lines):
            self.ran_out = True
            raise StopIteration
        self.position += 1
        return self._lines[self.position - 1]


def split_rows(lines: Sequence[str], delimiter: str, *, most_characters: int, ended: bool) -> list[CsvRow]:
    """Tell rows apart; a blank line is a row of no cells.

    A quote that is never closed must not swallow the file: where a row of several lines cannot be read, or has more
    than ``most_characters``, its first line alone is the broken row and reading goes on with the second. Unless the
    input has ``ended``, a last row that may go on is left for later. Costs about 0.3 us a row.
    """
    if not any('"' in line for line in lines):
        rows = _unquoted_rows(lines, delimiter)
        if rows is not None:
            return rows
    feed = _Lines(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    rows = []
    while feed.position < len(lines):
        begin = feed.position
        cells = _next_cells(reader)
        used = feed.position - begin
        size = sum(map(len, lines[begin : feed.position])) if used > 1 or feed.ran_out else 0
        if feed.ran_out and not ended and size <= most_characters:
            return rows
        if cells is None or (used > 1 and size > most_characters):
            cells = None
            feed.position, feed.ran_out = begin + 1, False
            used = 1
        rows.append(CsvRow(cells, used))
    return rows


def _unquoted_rows(lines: Sequence[str], delimiter: str) -> list[CsvRow] | None:
    try:
        return [CsvRow(cells, 1) for cells in csv.reader(lines, delimiter=delimiter, strict=True)]
    except csv.Error:
        return None


def _next_cells(reader: Iterator[Cells]) -> Cells | None:
    try:
        return next(reader)
    except csv.Error:
        return None


class CsvDecoder:
    """Decoder of rows of cells; costs about 2 us a row, twice that in a batch with a bad row.

    Parameters
    ----------
    spec
        The shape of the records; names are whole column names, dots included.
    header
        Column names of the file.
    where
        What the file is called in errors.

    Raises
    ------
    ConfigError
        When a needed column is missing or there twice.
    """

    def __init__(self, spec: RecordSpec, header: Sequence[str], where: str) -> None:
        columns = [name.strip() for name in header]
        self._width = len(columns)
        self._max_bytes = spec.max_bytes
        self._time_rule = TimeRule.of(spec.time)
        self._series_rule = SeriesRule.of(spec)
        series = spec.series[: self._series_rule.fields]
        time = [spec.time.field] if self._time_rule.exists else []
        self._require(columns, where, (*time, *series, *spec.values))
        self._time = columns.index(spec.time.field) if time else 0
        self._series = [columns.index(name) for name in series]
        self._values = [columns.index(name) for name in spec.values]

    @staticmethod
    def _require(columns: Sequence[str], where: str, needed: Sequence[str]) -> None:
        rule = f"must be one column of {where} (its header is {', '.join(columns)}), was"
        problems = [Problem("record", f"{rule} {name!r}") for name in needed if columns.count(name) != 1]
        if problems:
            raise ConfigError(*problems)

    def decode(self, stream: Stream, rows: Sequence[Cells | None], raw: RawBatch) -> RecordBatch:
        """Return one row for each of ``rows``, whose bytes are in ``raw``."""
        columns = self._columns(stream, rows, raw)
        if columns is not None:
            return columns
        found = [
            self._row(cells, int(size), raw.key(index), stream.partition)
            for index, (cells, size) in enumerate(zip(rows, raw.length, strict=True))
        ]
        return assemble(stream, raw, found, len(self._values))

    def _columns(self, stream: Stream, rows: Sequence[Cells | None], raw: RawBatch) -> RecordBatch | None:
        """Decode column by column; None when any row needs a closer look."""
        complete = [cells for cells in rows if cells is not None and len(cells) == self._width]
        if len(complete) < len(rows) or raw.length.max(initial=0) > self._max_bytes:
            return None
        columns = list(zip(*complete, strict=True)) or [()] * self._width
        try:
            time_ns = np.array(self._time_rule.from_texts(_stripped(columns[self._time])), np.int64)
            values = np.array([_numbers(columns[column]) for column in self._values]).T
            key = self._keys([_stripped(columns[column]) for column in self._series], stream.partition, len(rows))
        except RefusedError:
            return None
        return RecordBatch(stream, raw.offset, time_ns, key, values, np.zeros(len(rows), np.uint8), raw.record)

    def _keys(self, columns: Sequence[Sequence[str]], partition: int, rows: int) -> KeyColumn:
        if self._series_rule.from_message_key:  # row by row
            raise RefusedError(Reason.BAD_SERIES)
        if not columns:
            return same_key(self._key((), None, partition), rows)
        if len(columns) == 1 and all(0 < len(cell) <= _SURELY_SHORT for cell in columns[0]):
            return KeyColumn.of([cell.encode() for cell in columns[0]])
        return KeyColumn.of([self._key(parts, None, partition) for parts in zip(*columns, strict=True)])

    def _key(self, parts: Sequence[str], message_key: bytes | None, partition: int) -> bytes:
        return self._series_rule.key([part or None for part in parts], message_key, partition)

    def _row(self, cells: Cells | None, size: int, message_key: bytes | None, partition: int) -> Row:
        try:
            return self._accepted(cells, size, message_key, partition)
        except RefusedError as error:
            return refused_row(error.reason, len(self._values))

    def _accepted(self, cells: Cells | None, size: int, message_key: bytes | None, partition: int) -> Row:
        if size > self._max_bytes:
            raise RefusedError(Reason.TOO_LARGE)
        if cells is None or len(cells) != self._width:
            raise RefusedError(Reason.MALFORMED)
        cells = [cell.strip() for cell in cells]
        time_ns = self._time_rule.from_text(cells[self._time])
        key = self._key([cells[column] for column in self._series], message_key, partition)
        return Row(time_ns, key, [number_from_text(cells[column]) for column in self._values])


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _numbers(cells: Sequence[str]) -> Float64Matrix:
    """Read a whole column; refuse it when any cell needs a closer look."""
    text = "".join(cells)
    if text.isascii() and "_" not in text:  # the only ways in which `float` is laxer than our grammar
        try:
            column = np.array(list(map(float, cells)))
        except ValueError:
            raise RefusedError(Reason.NOT_A_NUMBER) from None
        if np.isfinite(column).all():
            return column
    raise RefusedError(Reason.NOT_FINITE)
