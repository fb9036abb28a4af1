"""Files of a corpus, with errors that name what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.error import ConfigError, MissingInputError, Problem


def corpus_files(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a corpus, sorted by their path.

    Raises
    ------
    MissingInputError
        When there is none.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        raise MissingInputError(f"corpus must be a folder with {pattern}, was {str(folder)!r}")
    return files


def arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Return arrays of an ``.npz`` file.

    Raises
    ------
    MissingInputError
        When it cannot be read.
    ConfigError
        When it is no such file, or holds other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except OSError as error:
        raise MissingInputError(f"{path} must be readable, was not: {error.strerror}") from error
    except (KeyError, ValueError, BadZipFile) as error:
        rule = f"must be an .npz file with arrays {', '.join(names)}: {error}"
        raise ConfigError(Problem(str(path), rule)) from error


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    MissingInputError
        When it cannot be read.
    ConfigError
        When it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingInputError(f"{path} must be readable, was not: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(str(path), f"must be UTF-8 text: {error.reason}")) from error


def column(path: Path, header: list[str], name: str) -> int:
    """Return the number of a column.

    Raises
    ------
    ConfigError
        When there is none of this name.
    """
    if name not in header:
        raise ConfigError(Problem(str(path), f"must have a column {name!r}, had {', '.join(header)}"))
    return header.index(name)
