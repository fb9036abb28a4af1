"""Which file `pynomaly detect` reads, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pynomaly.application.spec.adhoc import Columns
from pynomaly.domain.error import ConfigError, Problem
from pynomaly_connectors.files.guess import guess_columns, guess_delimiter
from pynomaly_connectors.files.source import FORMAT_OF_SUFFIX, content_suffix, matching_files

_TABS: Final = ".tsv"
_DELIMITERS: Final = {"\\t": "\t", "tab": "\t"}


def file_source(path: str, given_format: str | None, delimiter: str | None) -> dict[str, object]:
    """Return the section `source` of a flow over one file.

    Parameters
    ----------
    path
        The file, or a glob that matches one.
    given_format, delimiter
        As the options say; None: told from the suffix.

    Raises
    ------
    ConfigError
        When there are several files, or their format or delimiter cannot be told.
    MissingInputError
        When there is none.
    """
    file = _one_file(path)
    suffix = content_suffix(file)
    told = given_format or ("csv" if suffix == _TABS else FORMAT_OF_SUFFIX.get(suffix))
    if told is None:
        known = ", ".join([_TABS, *FORMAT_OF_SUFFIX])
        rule = f"must be given for a file that does not end in {known} (or one of these and .gz), was {file!r}"
        raise ConfigError(Problem("--format", rule))
    separator = _told_delimiter(file, suffix, told) if delimiter is None else _character(delimiter)
    return {"kind": "files", "path": file, "format": told, "delimiter": separator}


def guessed_columns(source: Mapping[str, object], given: Columns) -> tuple[Columns, str]:
    """Return what the columns of the file of `file_source` probably are, and a sentence that says so.

    Parameters
    ----------
    given
        Time and series that are known, and no values.

    Raises
    ------
    ConfigError
        When no further column holds numbers.
    """
    kind: Literal["csv", "jsonl"] = "jsonl" if source["format"] == "jsonl" else "csv"
    found = guess_columns(str(source["path"]), kind, str(source["delimiter"]), {given.time or "", *given.series})
    time, time_format = (given.time, given.time_format) if given.time else (found.time, found.time_format)
    columns = Columns(found.values, time, time_format, given.series or found.series)
    said = [f"--value {name}" for name in columns.values] + [f"--series {name}" for name in columns.series]
    if columns.time is not None:
        said.append(f"--time {columns.time} --time-format {columns.time_format}")
    left = f"; left out, because called like labels: {', '.join(found.labels)}" if found.labels else ""
    return columns, f"columns as guessed: {' '.join(said)}{left}"


def _told_delimiter(file: str, suffix: str, told: str) -> str:
    if suffix == _TABS:
        return "\t"
    return guess_delimiter(file) if told == "csv" else ","


def _one_file(path: str) -> str:
    files = matching_files(path)
    if len(files) > 1:
        raise ConfigError(Problem("FILE", f"must be one file, was {len(files)} of them: make a flow for several"))
    return files[0]


def _character(delimiter: str) -> str:
    character = _DELIMITERS.get(delimiter, delimiter)
    if len(character) != 1:
        raise ConfigError(Problem("--delimiter", f"must be one character or tab, was {delimiter!r}"))
    return character
