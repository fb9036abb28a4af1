"""Which file `pynomaly detect` reads, and how."""

from __future__ import annotations

from typing import Final

from pynomaly.domain.error import ConfigError, Problem
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
    separator = ("\t" if suffix == _TABS else ",") if delimiter is None else _character(delimiter)
    return {"kind": "files", "path": file, "format": told, "delimiter": separator}


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
