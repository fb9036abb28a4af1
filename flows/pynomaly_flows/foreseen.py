"""Errors that our own code raises inside Bytewax are told once: by us.

Whatever is raised in a source, a step or a sink, Bytewax's core writes a notice of a panic to file descriptor 2, with a
backtrace where `RUST_BACKTRACE` is set, before the error comes back to us (checked with 0.21.1). For an error that
tells what to do that is noise, and looks like a bug. So descriptor 2 leads nowhere from the moment such an error is
raised until it has come back. Notices of anything else stay: they are bugs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from pynomaly.domain.error import PynomalyError

P = ParamSpec("P")
R = TypeVar("R")
_STDERR = 2


class _Notices:
    """File descriptor 2 of this process."""

    def __init__(self) -> None:
        self.wanted = True
        self._kept: int | None = None

    def silence(self) -> None:
        if self.wanted or self._kept is not None:
            return
        sys.stderr.flush()
        self._kept = os.dup(_STDERR)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)

    def restore(self) -> None:
        if self._kept is not None:
            os.dup2(self._kept, _STDERR)
            os.close(self._kept)
            self._kept = None


_notices = _Notices()


@contextmanager
def without_notices() -> Generator[None]:
    """Let Bytewax write no notices of errors that we raise on purpose, inside a block that tells of them."""
    _notices.wanted = False
    try:
        yield
    finally:
        _notices.wanted = True
        _notices.restore()


def foreseen(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate what Bytewax calls, so that it writes no notice of errors which the method raises on purpose."""

    @wraps(method)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return method(*arguments, **options)
        except PynomalyError:
            _notices.silence()
            raise

    return call
