"""Outcome tables as files: CSV, JSON lines or Parquet, by the suffix."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
import orjson

from pynomaly.domain.error import ConfigError, DeliveryError, Problem, UnavailableError
from pynomaly_connectors.codecs.iso8601 import rfc3339
from pynomaly_connectors.files.draft import Draft
from pynomaly_connectors.files.outcome_table import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

Open = Callable[[Path, Sequence[str]], "_Format"]


class OutcomeFile:
    """An open file of outcomes; it takes the place of what was there when it is closed, or never if that fails.

    As a context manager it is closed if the block succeeds, and dropped if not.

    Parameters
    ----------
    path
        The file; its suffix tells the format.
    names
        Columns.

    Raises
    ------
    ConfigError
        When the suffix is none of `FORMATS`, or Parquet's library is not installed.
    UnavailableError
        When the file cannot be written.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        make = _format_of(path)
        self._path = path
        try:
            self._draft = Draft(path)
            self._format = make(self._draft.path, names)
        except OSError as error:
            raise UnavailableError(f"{path} must be a file that can be written, was not: {error.strerror}") from None

    def write(self, table: Table) -> None:
        """Append rows.

        Raises
        ------
        DeliveryError
            When the disk refuses them.
        """
        try:
            self._format.write(table)
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Finish the file and let it take its place.

        Raises
        ------
        DeliveryError
            When the disk refuses the rest.
        """
        try:
            with self._draft:
                self._format.close()
        except OSError as error:
            raise self._refused(error) from error

    def drop(self) -> None:
        """Leave everything as it was before the file was opened."""
        with suppress(OSError):  # of rows that nobody wants any more
            self._format.close()
        self._draft.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.drop()

    def _refused(self, error: OSError) -> DeliveryError:
        return DeliveryError(f"{self._path} must take the outcomes written, was refused: {error.strerror}")


def check_suffix(path: Path) -> None:
    """Refuse a path whose suffix is none of `FORMATS`, before anything is read.

    Raises
    ------
    ConfigError
        When it is not, or Parquet's library is not installed.
    """
    _format_of(path)


class _Format(Protocol):
    def write(self, table: Table) -> None: ...

    def close(self) -> None: ...


class _Csv:
    """Times as RFC 3339, numbers as Python prints them (the shortest text that reads back), unknown ones empty."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(names)

    def write(self, table: Table) -> None:
        cells = [["" if value is None else value for value in plain(column)] for column in table.values()]
        self._writer.writerows(zip(*cells, strict=True))

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    """One object a row, unknown values null."""

    def __init__(self, path: Path, _names: Sequence[str]) -> None:
        self._file = path.open("wb")

    def write(self, table: Table) -> None:
        rows = zip(*map(plain, table.values()), strict=True)
        self._file.writelines(orjson.dumps(dict(zip(table, row, strict=True))) + b"\n" for row in rows)

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """One row group a batch; unknown values null, words as dictionaries."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - an extra

        make: Callable[..., Any] = ParquetWriter
        self._open = partial(make, path)
        self._names = names
        self._writer: Any = None
        path.open("wb").close()  # so that an unwritable path is told at once

    def write(self, table: Table) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        arrow = pa.table({name: _arrow(column) for name, column in table.items()})
        if self._writer is None:
            self._writer = self._open(arrow.schema)
        self._writer.write_table(arrow)

    def close(self) -> None:
        if self._writer is None:
            self.write({name: np.zeros(0) for name in self._names})
        if self._writer is not None:
            self._writer.close()


#: Formats by the suffix of a file.
FORMATS: Final[dict[str, Open]] = {".csv": _Csv, ".jsonl": _JsonLines, ".parquet": _Parquet}


def plain(column: Column) -> list[Any]:
    """Return a column as Python values: None for NaN and NaT, text for times."""
    if column.dtype.kind == "M":
        nothing = np.isnat(column)
        return [None if nothing[row] else rfc3339(time_ns) for row, time_ns in enumerate(column.astype("i8").tolist())]
    if column.dtype.kind == "f":
        return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN
    return list(column.tolist())


def _arrow(column: Column) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if column.dtype.kind == "M":
        return pa.array(column, pa.timestamp("ns", tz="UTC"))
    if column.dtype.kind == "O":
        return pa.array(column.tolist(), pa.string()).dictionary_encode()
    return pa.array(column, mask=np.isnan(column))


def _format_of(path: Path) -> Open:
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        raise ConfigError(Problem("--output", f"must end in {', '.join(FORMATS)}, was {path.name!r}"))
    if known is _Parquet:
        _require_pyarrow()
    return known


def _require_pyarrow() -> None:
    if find_spec("pyarrow") is None:
        rule = "must have pyarrow for .parquet: pip install 'pynomaly-streaming[frames]'; or choose .csv or .jsonl"
        raise ConfigError(Problem("--output", rule))
