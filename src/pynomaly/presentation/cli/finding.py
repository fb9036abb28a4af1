"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pynomaly.domain.error import ConfigError, PynomalyError


class Status(StrEnum):
    """How bad it is: a flow runs with `warn`, not with `fail`."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    status: Status
    what: str
    text: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it for machines."""
        return {"status": self.status.value, "what": self.what, "text": self.text, "remedy": self.remedy}


def ok(what: str, text: str) -> Finding:
    """Say that something is well."""
    return Finding(Status.OK, what, text)


def warn(what: str, text: str, remedy: str) -> Finding:
    """Say that something is worse than it could be."""
    return Finding(Status.WARN, what, text, remedy)


def fail(what: str, text: str, remedy: str = "") -> Finding:
    """Say that a flow cannot run."""
    return Finding(Status.FAIL, what, text, remedy)


def failures(what: str, error: PynomalyError) -> list[Finding]:
    """Return what an error says; its text tells what to do."""
    problems = error.problems if isinstance(error, ConfigError) else (error,)
    return [fail(what, " ".join(str(problem).split())) for problem in problems]
