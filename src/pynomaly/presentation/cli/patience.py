"""Tell the person who waits what takes so long; say nothing when it does not."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Timer
from typing import Final

from pynomaly.presentation.cli.result import remarks

_SOON_S: Final = 2.0


@contextmanager
def say_if_long(what: str) -> Generator[None]:
    """Show ``what`` on standard error once the block has taken two seconds: with a spinner on a terminal."""
    console = remarks()
    spinner = console.status(f"{what} …")

    def speak() -> None:
        if sys.stderr.isatty():
            spinner.start()
        else:
            console.print(f"{what} …")

    timer = Timer(_SOON_S, speak)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        spinner.stop()
