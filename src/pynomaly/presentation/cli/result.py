"""How results reach standard output and remarks standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_FILES: Final = 200  # where nobody's screen ends: a row of a table stays one line


def print_json(document: object) -> None:
    """Print one JSON object; numbers that are not known are null."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


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
