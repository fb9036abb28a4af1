"""What a program's exit status says about an error: one table for every program, from errors to codes of sysexits.h."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from pynomaly.domain.error import (
    AccessError,
    BadRecordError,
    ConfigError,
    MissingInputError,
    PynomalyError,
    RejectionError,
    StateError,
    TransientError,
    UnavailableError,
)

BUG: Final = os.EX_SOFTWARE


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """One code: the errors that lead to it, and what it tells whoever started the program."""

    error: type[Exception]
    code: int
    meaning: str


#: The first row whose error fits decides.
STATUS_OF_ERRORS: Final = (
    ExitStatus(ConfigError, os.EX_CONFIG, "the flow or a flag asks for something that cannot run: correct it"),
    ExitStatus(MissingInputError, os.EX_NOINPUT, "the input (a file, a topic) does not exist"),
    ExitStatus(AccessError, os.EX_NOPERM, "brokers refuse the log-in, the certificate or a right"),
    ExitStatus(UnavailableError, os.EX_UNAVAILABLE, "something else that must exist or answer does not"),
    ExitStatus(StateError, os.EX_DATAERR, "the saved state is damaged, foreign, in use or of another flow"),
    ExitStatus(RejectionError, os.EX_PROTOCOL, "more records were rejected than `limits.rejected` of the flow allows"),
    ExitStatus(BadRecordError, os.EX_DATAERR, "a record cannot be read"),
    ExitStatus(TransientError, os.EX_TEMPFAIL, "a broker, disk or network failed for too long: start again"),
)


def exit_code_of(error: PynomalyError) -> int:
    """Return the exit status of a program that an error has stopped."""
    return next((status.code for status in STATUS_OF_ERRORS if isinstance(error, status.error)), BUG)


#: What another start of the same flow over the same state and input would only repeat.
_FOR_GOOD: Final = frozenset({os.EX_USAGE, os.EX_CONFIG, os.EX_NOINPUT, os.EX_DATAERR, os.EX_NOPERM})


def may_mend(code: int, *, again: bool) -> bool:
    """Whether starting the program again may mend what ended it; a negative code is the signal that killed it.

    ``again`` says that it ended soon after such a restart: then what does not answer answered a moment ago, and may
    answer again.
    """
    return code not in _FOR_GOOD and (again or code != os.EX_UNAVAILABLE)
