"""What the columns of a file probably are, told from its name row and its first records."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from typing import Final, Literal, cast

import orjson

from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.files.content import Content

TimeUnit = Literal["iso8601", "s", "ms", "us", "ns"]

_HEAD_BYTES: Final = 256 * 1024
_MOST_RECORDS: Final = 1_000
_DELIMITERS: Final = ",;\t|"
_TIMES: Final = re.compile(r"(^|_)(time|timestamp|date|datetime|ts|at)(_|$)|time$|^@timestamp$", re.IGNORECASE)
_LABELS: Final = re.compile(
    r"^(is_)?(label|anomaly|anomalous|outlier|changepoint|class|target|fraud)s?$", re.IGNORECASE
)
_FIRST_S, _LAST_S = 1e8, 1e10  # 1973 and 2286: what a number of seconds since 1970 is taken for
_UNITS: Final[dict[TimeUnit, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_RECORDS_PER_SERIES: Final = 10  # fewer of a text's values come again more often, or it tells no series apart


@dataclass(frozen=True, slots=True)
class GuessedColumns:
    """What columns probably are.

    Parameters
    ----------
    values
        Columns of numbers, in their order.
    time, time_format
        The column of the time, None if none looks like one, and how it is written.
    series
        The column of text that tells series apart, if there is one.
    labels
        Columns of numbers that are called like labels, and thus not looked at.
    """

    values: tuple[str, ...]
    time: str | None
    time_format: TimeUnit
    series: tuple[str, ...]
    labels: tuple[str, ...]


def guess_delimiter(path: str) -> str:
    """Return the one of comma, semicolon, tab and bar that the name row has most of; a comma where it has none."""
    names = _head(path).partition("\n")[0]
    return max(_DELIMITERS, key=names.count)


def guess_columns(
    path: str, file_format: Literal["csv", "jsonl"], delimiter: str, known: AbstractSet[str] = frozenset()
) -> GuessedColumns:
    """Guess from the first 1,000 records, at most 256 KiB.

    Parameters
    ----------
    known
        Columns that are something else.

    Raises
    ------
    ConfigError
        When no column holds numbers.
    MissingInputError, UnavailableError
        When the file is not there or may not be read.
    """
    head = _head(path)
    lines = head.splitlines()[: _MOST_RECORDS + 1]
    every = _json_columns(lines) if file_format == "jsonl" else _csv_columns(lines, delimiter)
    columns = {name: texts for name, texts in every.items() if name not in known}
    time, time_format = _time_of(columns)
    numbers = [name for name, texts in columns.items() if name != time and _numbers(texts)]
    labels = tuple(name for name in numbers if _LABELS.search(name))
    values = tuple(name for name in numbers if name not in labels)
    if not values:
        named = ", ".join(columns) or "none at all"
        raise ConfigError(Problem("--value", f"must be given: no column of {path!r} holds numbers only, were {named}"))
    texts = (name for name in columns if name != time and name not in numbers)
    series = tuple(islice((name for name in texts if _tells_series(columns[name])), 1))
    return GuessedColumns(values, time, time_format, series, labels)


def _head(path: str) -> str:
    with closing(Content(path, to_present_end=True)) as content:
        data = content.read(_HEAD_BYTES)
    whole = data if len(data) < _HEAD_BYTES else data.rpartition(b"\n")[0]
    return whole.decode("utf-8-sig", "replace")


def _csv_columns(lines: Sequence[str], delimiter: str) -> dict[str, list[str]]:
    rows = list(csv.reader(lines, delimiter=delimiter))
    names, records = rows[0] if rows else [], rows[1:]
    return {name: [row[k] for row in records if k < len(row) and row[k]] for k, name in enumerate(names) if name}


def _json_columns(lines: Iterable[str]) -> dict[str, list[str]]:
    columns: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        with suppress(orjson.JSONDecodeError):
            record: object = orjson.loads(line)
            for name, value in cast("dict[str, object]", record if isinstance(record, dict) else {}).items():
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    columns[name].append(str(value))
    return columns


def _time_of(columns: dict[str, list[str]]) -> tuple[str | None, TimeUnit]:
    """Return the first column whose texts are all moments, or numbers called a time that never fall."""
    for name, texts in columns.items():
        if texts and all(map(_is_moment, islice(texts, 100))):
            return name, "iso8601"
        if _TIMES.search(name) and (numbers := _numbers(texts)) and all(a <= b for a, b in pairwise(numbers)):
            for unit, per_s in _UNITS.items():
                if _FIRST_S * per_s <= numbers[0] <= numbers[-1] < _LAST_S * per_s:
                    return name, unit
    return None, "iso8601"


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "-" in text


def _numbers(texts: Sequence[str]) -> list[float]:
    """Return the numbers that texts are; none if one of them is no finite number."""
    numbers: list[float] = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            return []
        if not math.isfinite(number):
            return []
        numbers.append(number)
    return numbers


def _tells_series(texts: Sequence[str]) -> bool:
    return bool(texts) and len(set(texts)) * _RECORDS_PER_SERIES <= len(texts)
