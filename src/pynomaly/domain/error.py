"""The one tree of errors, split by who is to blame and so by what happens next.

===================  ==============================  =======================================
class                whose fault                     what the program does
===================  ==============================  =======================================
`ConfigError`        the operator's flow or flags    stops before anything starts
`BadRecordError`     one record's producer           that record alone becomes a dead letter
`RejectionError`     a whole stream, or our reading  stops in front of the record; resumes there
`StateError`         the recovery folder             stops; never starts from zero silently
`TransientError`     a broker, disk or network       retries within a bound, then crashes
anything else        ours                            crashes; the checkpoint recovers
===================  ==============================  =======================================

Inside a batch bad input is a value (a `Reason` code), not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass


class PynomalyError(Exception):
    """Whatever pynomaly raises on purpose; its text tells an operator what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule of a flow spec: where it is, and what must hold there."""

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


class ConfigError(PynomalyError):
    """The operator asked for something that cannot run.

    Parameters
    ----------
    problems
        Every problem found, in the order of the file; one is enough.
    """

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class BadRecordError(PynomalyError):
    """One record cannot be read; raised by single-record calls of the SDK only."""


class RejectionError(PynomalyError):
    """So many records of a stream were rejected that something is wrong as a whole."""


class StateError(PynomalyError):
    """Saved state is corrupt, foreign, locked or of another flow."""


class UnavailableError(PynomalyError):
    """Something that must exist or answer does not (a file, a topic, a broker)."""


class AccessError(UnavailableError):
    """Somebody who may decide refuses us: a log-in, a certificate or a right is missing, wrong or was withdrawn.

    Parameters
    ----------
    text
        What must hold, and what to do.
    messages
        How many events could not be delivered for it.
    """

    def __init__(self, text: str, messages: int = 0) -> None:
        self.messages = messages
        super().__init__(text)


class MissingInputError(UnavailableError):
    """The input itself (a file, a folder, a topic) does not exist."""


class TransientError(PynomalyError):
    """The world failed for longer than the stated bound; a restart resumes exactly."""


class DeliveryError(TransientError):
    """Events could not be delivered; their epoch must not become durable.

    Parameters
    ----------
    text
        What must hold, and what to do.
    messages
        How many were not confirmed.
    """

    def __init__(self, text: str, messages: int = 1) -> None:
        self.messages = messages
        super().__init__(text)


class InputGrownError(TransientError):
    """The input was given partitions that the flow shall read: opening it again finds them."""
