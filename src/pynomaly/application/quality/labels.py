"""Labels: which stretches of which series are anomalous, and the files that say so.

A label file names spans of series, both ends included. It is one of:

CSV with the columns ``series``, ``start`` and ``end``::

    series,start,end
    pump-7,2026-03-01T08:00:00Z,2026-03-01T09:30:00Z
    pump-7,2026-03-04T11:20:00Z,

JSON, a list of the same (``[{"series": "pump-7", "start": ..., "end": ...}]``), or the windows of each series, as the
Numenta Anomaly Benchmark's ``combined_windows.json`` has them (``{"pump-7": [["2026-03-01 08:00:00", ...]]}``).

A start or end is an event time (ISO 8601; no offset means UTC; to the microsecond) or a row number, counted from 0 over
those records of the series that can be used; one file has times or row numbers, not both. No ``end`` means that the
span is one moment or row. Spans of a series may touch and overlap. A series that is not named has no anomalies. In a
flow that knows no series, where each input is one, the name is that of the input: the path of a file, or its last parts
(``realTweets/Twitter_volume_AAPL.csv``).
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.segment import Window, apart
from pynomaly.domain.error import ConfigError, Problem

LabelFormat = Literal["csv", "json"]
Span = tuple[int, int]
"""First and last moment [ns], or first and last row."""

_COLUMNS: Final = ("series", "start", "end")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = "must be a time such as 2026-03-01T08:00:00Z or a row number"


@dataclass(frozen=True, slots=True)
class Labels:
    """Spans by series.

    Parameters
    ----------
    in_rows
        Whether spans are row numbers; else event times [ns].
    spans
        By the name of the series, as the file has them.
    """

    in_rows: bool
    spans: Mapping[str, tuple[Span, ...]]

    def windows(self, series: str, time_ns: NDArray[np.int64]) -> tuple[Window, ...]:
        """Return the rows of a series from the first to the last one inside each span, those that overlap as one.

        Parameters
        ----------
        series
            A name of `spans`; without spans a series has no windows.
        time_ns
            ``(n,)`` event times of the series' records. A span in which there is none has no window.
        """
        place = np.arange(len(time_ns)) if self.in_rows else time_ns
        inside = (np.flatnonzero((place >= start) & (place <= end)) for start, end in self.spans.get(series, ()))
        return apart((int(rows[0]), int(rows[-1])) for rows in inside if len(rows))


def parse_labels(text: str, form: LabelFormat) -> Labels:
    """Read the text of a label file.

    Raises
    ------
    ConfigError
        With everything that is wrong with it, by line or place.
    """
    rows = list(_csv_rows(text) if form == "csv" else _json_rows(text))
    problems: list[Problem] = []
    spans: dict[str, list[Span]] = defaultdict(list)
    units: dict[bool, str] = {}
    for place, series, start, end in rows:
        try:
            span, in_rows = _span(place, start, end)
        except ConfigError as error:
            problems += error.problems
            continue
        units.setdefault(in_rows, place)
        if series:
            spans[series].append(span)
        else:
            problems.append(Problem(place, "series must be the name of a series, was empty"))
    if len(units) > 1:
        problems.append(Problem(units[True], f"must be a time, as in {units[False]}, was a row number"))
    if problems:
        raise ConfigError(*problems)
    return Labels(units.get(True) is not None, {series: tuple(found) for series, found in spans.items()})


_Row = tuple[str, str, object, object]  # place in the file, series, start, end


def _csv_rows(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(text.splitlines())
    names = tuple(reader.fieldnames or ())
    if not set(_COLUMNS) <= set(names):
        rule = f"must have the columns {', '.join(_COLUMNS)}, had {', '.join(names) or 'none'}"
        raise ConfigError(Problem("labels", rule))
    for row in reader:
        yield f"labels, line {reader.line_num}", (row["series"] or "").strip(), row["start"] or "", row["end"] or ""


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        tree = cast("object", json.loads(text))
    except ValueError as error:
        raise ConfigError(Problem("labels", f"must be JSON: {error}")) from None
    if isinstance(tree, Mapping):
        yield from _rows_by_series(cast("Mapping[str, object]", tree))
    elif isinstance(tree, list):
        for number, entry in enumerate(cast("list[object]", tree)):
            yield _row(f"labels[{number}]", entry)
    else:
        raise ConfigError(Problem("labels", f"must be a list or an object, was {type(tree).__name__}"))


def _rows_by_series(tree: Mapping[str, object]) -> Iterator[_Row]:
    for series, windows in tree.items():
        place = f"labels[{series!r}]"
        if not isinstance(windows, list):
            raise ConfigError(Problem(place, f"must be a list of windows, was {type(windows).__name__}"))
        for number, window in enumerate(cast("list[object]", windows)):
            ends = cast("Sequence[object]", window) if isinstance(window, list) else ()
            if len(ends) != 2:
                raise ConfigError(Problem(f"{place}[{number}]", f"must be [start, end], was {window!r}"))
            yield f"{place}[{number}]", series, ends[0], ends[1]


def _row(place: str, entry: object) -> _Row:
    fields = cast("Mapping[str, object]", entry) if isinstance(entry, Mapping) else {}
    if "series" not in fields or "start" not in fields:
        raise ConfigError(Problem(place, f"must be an object with series, start and maybe end, was {entry!r}"))
    return place, str(fields["series"]), fields["start"], fields.get("end")


def _span(place: str, start: object, end: object) -> tuple[Span, bool]:
    """Return a span, and whether it is one of rows."""
    first, first_is_row = _moment(f"{place}: start", start)
    last, last_is_row = (first, first_is_row) if end in (None, "") else _moment(f"{place}: end", end)
    if first_is_row != last_is_row:
        raise ConfigError(Problem(place, f"must be two times or two row numbers, was {start!r} and {end!r}"))
    if last < first:
        raise ConfigError(Problem(f"{place}: end", f"must not lie before the start {start!r}, was {end!r}"))
    return (first, last), first_is_row


def _moment(place: str, given: object) -> tuple[int, bool]:
    """Return a row number, or a time [ns], and whether it is the former."""
    if isinstance(given, int) and not isinstance(given, bool):
        return _row_number(place, given), True
    text = given.strip() if isinstance(given, str) else ""
    if text.isdecimal():
        return _row_number(place, int(text)), True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(Problem(place, f"{_MOMENT}, was {given!r}")) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000, False


def _row_number(place: str, number: int) -> int:
    if not 0 <= number < 1 << 62:
        raise ConfigError(Problem(place, f"must be at least 0 and below 2^62, was {number}"))
    return number
