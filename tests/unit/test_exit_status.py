"""One table of exit statuses for all programs."""

from __future__ import annotations

import os

import pytest

from pynomaly.application.exit_status import STATUS_OF_ERRORS, exit_code_of
from pynomaly.domain.error import (
    AccessError,
    BadRecordError,
    ConfigError,
    DeliveryError,
    MissingInputError,
    Problem,
    PynomalyError,
    StateError,
    TransientError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(Problem("flow", "must be")), os.EX_CONFIG),
        (MissingInputError(""), os.EX_NOINPUT),
        (UnavailableError(""), os.EX_UNAVAILABLE),
        (AccessError(""), os.EX_NOPERM),
        (StateError(""), os.EX_DATAERR),
        (BadRecordError(""), os.EX_DATAERR),
        (DeliveryError(""), os.EX_TEMPFAIL),
        (TransientError(""), os.EX_TEMPFAIL),
    ],
)
def test_each_error_has_its_status(error: PynomalyError, code: int) -> None:
    """What supervisors and scripts rely on; a failed delivery is worth another start."""
    assert exit_code_of(error) == code


def test_every_kind_of_error_is_in_the_table() -> None:
    """None of ours ends a program as a bug."""
    rows = tuple(status.error for status in STATUS_OF_ERRORS)
    kinds = [kind for kind in PynomalyError.__subclasses__() if kind.__module__ == PynomalyError.__module__]
    assert len(kinds) > 0
    assert [kind for kind in kinds if not issubclass(kind, rows)] == []
