"""What the program's exit status means: one table, from errors to the codes of sysexits.h."""

from __future__ import annotations

import os
from typing import Final

from typer import TyperException

from pynomaly.application.exit_status import BUG, STATUS_OF_ERRORS, ExitStatus
from pynomaly.domain.error import ConfigError, PynomalyError
from pynomaly.presentation.cli.result import OutputError, printable

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
UNREAD: Final = 141  # 128 + SIGPIPE


#: The first row whose error fits decides. Errors that are in no row are ours: `BUG`.
EXIT_STATUSES: Final = (
    ExitStatus(TyperException, os.EX_USAGE, "the command line cannot be read"),
    *STATUS_OF_ERRORS,
    ExitStatus(OutputError, os.EX_IOERR, "standard output cannot be written"),
    ExitStatus(OSError, os.EX_IOERR, "the system refused to read or write: `pynomaly --debug` shows where"),
)


def exit_code(error: BaseException) -> int:
    """Return the exit status for whatever stopped the program."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return UNREAD
    return next((status.code for status in EXIT_STATUSES if isinstance(error, status.error)), BUG)


def error_lines(error: Exception) -> list[str]:
    """Return one line for each problem, as an operator reads it."""
    if isinstance(error, ConfigError):
        texts = [str(problem) for problem in error.problems]
    elif isinstance(error, OSError):
        texts = [f"the system must read and write for pynomaly, refused: {error}; `pynomaly --debug` shows where"]
    else:
        texts = [_usage_text(error) if isinstance(error, TyperException) else str(error)]
    return [f"error: {printable(' '.join(text.split()))}" for text in texts]


def _usage_text(error: TyperException) -> str:
    """Return what the command line got wrong; Typer tells which rule a number breaks, but not which number it was."""
    from pydantic import ValidationError

    text = error.format_message()
    if not isinstance(error.__cause__, ValidationError):
        return text
    given = [repr(problem["input"]) for problem in error.__cause__.errors()]
    return text if any(value in text for value in given) else f"{text}, was {', '.join(given)}"


def is_foreseen(error: Exception) -> bool:
    """Tell an error that was raised on purpose, or by the system, from a bug."""
    return isinstance(error, PynomalyError | TyperException | OSError)
