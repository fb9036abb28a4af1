"""How results reach standard output and remarks standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from pynomaly.domain.error import PynomalyError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_WIDTH_OF_FILES: Final = 200  # where nobody's screen ends: a row of a table stays one line


class OutputError(PynomalyError):
    """Standard output refuses what is written to it: a full disk, most of the time."""


@contextmanager
def standard_output() -> Generator[TextIO]:
    """Give standard output, through which all results go, and tell its failures from those of files.

    Raises
    ------
    OutputError
        When it cannot be written. (A reader that went away stays a BrokenPipeError.)
    """
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output must be writable, was not: {error.strerror}") from error


def print_text(text: str) -> None:
    """Print text as it is, and a line end."""
    with standard_output() as output:
        output.write(f"{text}\n")


def print_json(document: object) -> None:
    """Print one JSON object; numbers that are not known are null."""
    print_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_rich(*parts: RenderableType, soft_wrap: bool = False) -> None:
    """Print what rich can draw, each part from a new line on; with ``soft_wrap`` the terminal breaks long lines."""
    console = results()
    with standard_output():
        for part in parts:
            console.print(part, soft_wrap=soft_wrap)


def results() -> Console:
    """Return the console of standard output: coloured on a terminal unless NO_COLOR is set, plain elsewhere."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width)


def remarks() -> Console:
    """Return the console of standard error."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def printable(text: str) -> str:
    """Disarm control characters: names come from records and files, and a terminal obeys escape sequences."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
