"""Data that are already in memory as record batches: pandas and polars frames, NumPy arrays, mappings, dicts, numbers.

No frame library is imported: a frame is anything with ``columns`` and ``frame[name]`` whose columns become arrays.
The reasons are those of `pynomaly_connectors.codecs.fields`, where a NaN is ``NOT_FINITE`` and only what is null, None,
NaT or absent is ``MISSING_FIELD``. Refused rows have no raw bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.spec.record import TimeFormat, TimeSpec
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.record import Int64Column, RecordBatch, Stream
from pynomaly_connectors.codecs.fields import SeriesRule, TimeRule
from pynomaly_connectors.codecs.rows import without_refused
from pynomaly_connectors.frame_columns import Column, as_column, key_column, number_column, time_column

ColumnName = str | int


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length, whatever they came in.

    Parameters
    ----------
    names
        Columns there are.
    column
        Name -> cells.
    rows
        How many.
    closed
        Whether there are no columns but these; else any other one is there, empty.
    """

    names: tuple[ColumnName, ...]
    column: Callable[[ColumnName], Column]
    rows: int
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns mean what; see `batches_from`."""

    time: ColumnName | None
    time_rule: TimeRule
    series: tuple[ColumnName, ...]
    values: tuple[ColumnName, ...]

    def values_of(self, table: Table) -> tuple[ColumnName, ...]:
        """Return the value columns, checked against what there is."""
        values = self.values or tuple(name for name in table.names if name not in (self.time, *self.series))
        needed = (*(() if self.time is None else (self.time,)), *self.series, *values)
        there = ", ".join(map(str, table.names))
        problems = [
            Problem("columns", f"must be among {there}, was {name!r}")
            for name in needed
            if table.closed and name not in table.names
        ]
        if not values:
            problems.append(Problem("values", f"must be at least one column beside time and series, had {there}"))
        if problems:
            raise ConfigError(*problems)
        return values


def batches_from(
    data: Any,
    *,
    values: ColumnName | Sequence[ColumnName] = (),
    time: ColumnName | None = None,
    time_format: TimeFormat = "iso8601",
    series: ColumnName | Sequence[ColumnName] = (),
    stream_name: str = "frame",
    batch_records: int = 10_000,
) -> Iterator[RecordBatch]:
    """Yield the rows of ``data`` in order, as records of one stream whose offsets are row numbers.

    A frame is turned into columns once; an iterable is read batch by batch and may be endless. Number columns cost
    next to nothing, other columns about 1 us a cell.

    Parameters
    ----------
    data
        A frame of pandas or polars, a mapping of names to equally long columns, a structured array, a 2-D array
        (columns are numbered from 0), a 1-D array or series of numbers (column 0), or an iterable of mappings or of
        numbers (column 0).
    values
        Value columns; none: every column that is neither time nor series.
    time
        Time column; None: the data have no clock. Then ``time_ns`` is 0 in every row, order is all there is, and
        nothing that measures time (windows, lateness, silence) can be asked of them.
    time_format
        How times are written that are text or numbers. Datetimes need none; naive ones are UTC.
    series
        Columns that make the series key; none: all rows are one series, ``"0"``.
    stream_name
        Name of the stream.
    batch_records
        Most rows in a batch.

    Raises
    ------
    ConfigError
        When a named column does not exist.
    TypeError
        When ``data`` is nothing of the above.
    """
    rule = TimeRule.of(TimeSpec(field="time", format=time_format))
    roles = Roles(time, rule, _names(series), _names(values))
    stream = Stream(stream_name)
    offset = 0
    for table in _tables(data, batch_records):
        batch = _batch(stream, table, roles, offset)
        offset += len(batch)
        for begin in range(0, len(batch), batch_records):
            yield batch.slice(begin, min(begin + batch_records, len(batch)))


def _names(names: ColumnName | Sequence[ColumnName]) -> tuple[ColumnName, ...]:
    return (names,) if isinstance(names, str | int) else tuple(names)


def _batch(stream: Stream, table: Table, roles: Roles, offset: int) -> RecordBatch:
    values = roles.values_of(table)
    refusal = np.zeros(table.rows, np.uint8)
    time_ns = np.zeros(table.rows, np.int64)
    if roles.time is not None:
        time_ns, refusal = time_column(table.column(roles.time), roles.time_rule)
    keys, bad_keys = key_column(
        [table.column(name) for name in roles.series], SeriesRule(len(roles.series), from_message_key=False), table.rows
    )
    columns = [number_column(table.column(name)) for name in values]
    for reasons in (bad_keys, *(reasons for _, reasons in columns)):
        refusal = np.where(refusal == 0, reasons, refusal)  # the first reason stands
    matrix = np.stack([numbers for numbers, _ in columns], axis=1)
    return without_refused(RecordBatch(stream, _offsets(offset, table.rows), time_ns, keys, matrix, refusal))


def _offsets(first: int, rows: int) -> Int64Column:
    return np.arange(first, first + rows, dtype=np.int64)


def _tables(data: Any, batch_records: int) -> Iterator[Table]:
    if isinstance(data, np.ndarray):
        yield _array_table(data)
    elif isinstance(data, Mapping):
        yield _frame_table(tuple(data), data.__getitem__)
    elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
        yield _frame_table(tuple(data.columns), data.__getitem__)
    elif hasattr(data, "to_numpy"):
        yield _frame_table((0,), _constant(data))
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        yield from _chunks(iter(cast("Iterable[object]", data)), batch_records)
    else:
        kinds = "a frame, an array, a mapping of columns, or an iterable of mappings or numbers"
        raise TypeError(f"data must be {kinds}, was {type(data).__name__}")


def _frame_table(names: tuple[ColumnName, ...], column: Callable[[ColumnName], object]) -> Table:
    columns = {name: as_column(column(name)) for name in names}
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise ConfigError(Problem("columns", f"must be equally long, had {sorted(lengths)} rows"))
    return Table(names, columns.__getitem__, lengths.pop() if lengths else 0)


def _array_table(array: NDArray[Any]) -> Table:
    if array.dtype.names is not None:
        return Table(array.dtype.names, lambda name: array[cast("str", name)], len(array))
    if array.ndim not in (1, 2):
        raise TypeError(f"array must have one or two dimensions, was of {array.ndim}")
    matrix = array[:, None] if array.ndim == 1 else array
    return Table(tuple(range(matrix.shape[1])), lambda name: matrix[:, cast("int", name)], len(matrix))


def _chunks(rows: Iterator[object], batch_records: int) -> Iterator[Table]:
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    names: tuple[ColumnName, ...] = tuple(first) if isinstance(first, Mapping) else (0,)
    while chunk := list(islice(rows, batch_records)):
        if isinstance(first, Mapping):
            yield _rows_table(names, cast("list[Mapping[ColumnName, object]]", chunk))
        else:
            yield _frame_table((0,), _constant(chunk))


def _constant(cells: object) -> Callable[[ColumnName], object]:
    return lambda _: cells


def _rows_table(names: tuple[ColumnName, ...], rows: list[Mapping[ColumnName, object]]) -> Table:
    def column(name: ColumnName) -> Column:
        return as_column([row.get(name) for row in rows])

    return Table(names, column, len(rows), closed=False)
