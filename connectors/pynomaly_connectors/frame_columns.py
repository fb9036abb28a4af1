"""Columns of frames as arrays, and arrays as columns of a record batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import ByteColumn, Int64Column, KeyColumn
from pynomaly_connectors.codecs.fields import SeriesRule, TimeRule, number_from_value
from pynomaly_connectors.codecs.rows import RefusedError, same_key

Column = NDArray[Any]
Float64Column = NDArray[np.float64]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S: Final = 1_000_000_000
_FARTHEST_S: Final = (1 << 63) // _NS_PER_S  # from 1970, in nanoseconds of an int64
_NULL_TYPES: Final = ("NAType", "NaTType")  # of pandas, which is not imported here


def as_column(cells: Any) -> Column:
    """Turn a column of any library into an array; what is null becomes None unless the dtype has its own null."""
    if isinstance(cells, np.ndarray):
        return cells
    if hasattr(cells, "null_count"):  # polars
        return _objects(cells.to_list()) if cells.null_count() else np.asarray(cells.to_numpy())
    if hasattr(cells, "isna"):  # pandas
        return _from_pandas(cells)
    return _from_sequence(list(cells))


def _from_pandas(cells: Any) -> Column:
    if isinstance(cells.dtype, np.dtype):
        return np.asarray(cells.to_numpy())
    if hasattr(cells.dtype, "tz"):
        return np.asarray(cells.to_numpy(dtype="datetime64[ns]"))
    column = _objects(list(cells))
    column[np.asarray(cells.isna())] = None
    return column


def _from_sequence(cells: list[object]) -> Column:
    kinds = set(map(type, cells))
    if kinds <= {int, float}:
        try:
            return np.array(cells, np.int64 if kinds == {int} else np.float64)  # 7.0 names no series, 7 does
        except OverflowError:  # an integer beyond the column
            pass
    return _objects(cells)


def _objects(cells: list[object]) -> Column:
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def number_column(cells: Column) -> tuple[Float64Column, ByteColumn]:
    """Return finite numbers, and a reason for every cell that is none."""
    if cells.dtype.kind not in "fiu":
        return _cell_by_cell(cells, number_from_value, np.float64)
    numbers = cells.astype(np.float64)
    return numbers, np.where(np.isfinite(numbers), 0, Reason.NOT_FINITE).astype(np.uint8)


def time_column(cells: Column, rule: TimeRule) -> tuple[Int64Column, ByteColumn]:
    """Return epoch nanoseconds, and a reason for every cell that is no plausible time."""
    if cells.dtype.kind != "M":
        return _cell_by_cell(cells, lambda cell: _time_ns(cell, rule), np.int64)
    seconds = cells.astype("datetime64[s]").astype(np.int64)
    held = (seconds > -_FARTHEST_S) & (seconds < _FARTHEST_S)  # NaT is far below
    time_ns = np.where(held, cells, np.datetime64(0, "s")).astype("datetime64[ns]").astype(np.int64)
    plausible = held & (time_ns >= rule.first_ns) & (time_ns < rule.end_ns)
    reasons = np.where(plausible, 0, Reason.TIME_OUT_OF_RANGE)
    return time_ns, np.where(np.isnat(cells), Reason.MISSING_FIELD, reasons).astype(np.uint8)


def key_column(parts: Sequence[Column], rule: SeriesRule, rows: int) -> tuple[KeyColumn, ByteColumn]:
    """Return series keys, and a reason for every row that has none."""
    if not parts:
        return same_key(rule.key((), None, 0), rows), np.zeros(rows, np.uint8)
    reasons = np.zeros(rows, np.uint8)
    keys: list[bytes] = []
    for row, cells in enumerate(zip(*(part.tolist() for part in parts), strict=True)):
        try:
            keys.append(rule.key([_plain(cell) for cell in cells], None, 0))
        except RefusedError as error:
            keys.append(b"")
            reasons[row] = error.reason
    return KeyColumn.of(keys), reasons


def _cell_by_cell(
    cells: Column, read: Callable[[object], float], dtype: type[np.float64 | np.int64]
) -> tuple[NDArray[Any], ByteColumn]:
    column, reasons = np.zeros(len(cells), dtype), np.zeros(len(cells), np.uint8)
    for row, cell in enumerate(cells.tolist()):
        try:
            column[row] = read(_plain(cell))
        except RefusedError as error:
            reasons[row] = error.reason
    return column, reasons


def _plain(cell: object) -> object:
    """Return the cell as a value of plain Python; None for what means null."""
    if isinstance(cell, np.generic):
        return cast("object", cell.item())
    if isinstance(cell, Decimal):
        return float(cell)
    return None if type(cell).__name__ in _NULL_TYPES else cell


def _time_ns(cell: object, rule: TimeRule) -> int:
    if isinstance(cell, datetime):
        moment = cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell
        below_us = int(getattr(cell, "nanosecond", 0))  # what a pandas Timestamp knows beyond a datetime
        return rule.within((moment - _EPOCH) // timedelta(microseconds=1) * 1000 + below_us)
    if isinstance(cell, date):
        return rule.within((cell - _EPOCH.date()).days * 86_400 * _NS_PER_S)
    return rule.from_value(cell)
