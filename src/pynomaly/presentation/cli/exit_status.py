"""What the program's exit status means: one table, from errors to the codes of sysexits.h."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from typer import TyperException

from pynomaly.domain.error import (
    BadRecordError,
    ConfigError,
    MissingInputError,
    PynomalyError,
    StateError,
    TransientError,
    UnavailableError,
)

BUG: Final = os.EX_SOFTWARE
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
UNREAD: Final = 141  # 128 + SIGPIPE


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """One code: the errors that lead to it, and what it tells whoever started the program."""

    error: type[Exception]
    code: int
    meaning: str


#: The first row whose error fits decides. Errors that are in no row are ours: `BUG`.
EXIT_STATUSES: Final = (
    ExitStatus(TyperException, os.EX_USAGE, "the command line cannot be read"),
    ExitStatus(ConfigError, os.EX_CONFIG, "the flow or a flag asks for something that cannot run: correct it"),
    ExitStatus(MissingInputError, os.EX_NOINPUT, "the input (a file, a topic) does not exist"),
    ExitStatus(UnavailableError, os.EX_UNAVAILABLE, "something else that must exist or answer does not"),
    ExitStatus(StateError, os.EX_DATAERR, "the saved state is damaged, foreign, in use or of another flow"),
    ExitStatus(BadRecordError, os.EX_DATAERR, "a record cannot be read"),
    ExitStatus(TransientError, os.EX_TEMPFAIL, "a broker, disk or network failed for too long: start again"),
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
        return [f"error: {problem}" for problem in error.problems]
    text = error.format_message() if isinstance(error, TyperException) else str(error)
    return [f"error: {' '.join(text.split())}"]


def is_ours(error: Exception) -> bool:
    """Tell an error that was raised on purpose from a bug."""
    return isinstance(error, PynomalyError | TyperException)
