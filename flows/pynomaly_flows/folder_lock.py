"""Who may use a state folder: one process alone, or several that have agreed on it.

Imports nothing heavy, so that a second instance is refused before it has loaded anything.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from pynomaly.domain.error import StateError, UnavailableError


def hold(root: Path, *, shared: bool = False) -> IO[str]:
    """Take a folder, which is made, for this process, until the returned file is closed.

    Parameters
    ----------
    root
        The folder.
    shared
        Let others take it as well that share it; nobody has it alone meanwhile.

    Raises
    ------
    StateError
        When another process holds it; it goes on undisturbed.
    UnavailableError
        When it is no folder that can be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = (root / "lock").open("a+")
    except OSError as error:
        raise UnavailableError(
            f"state folder {root} must be a folder that can be written, was not: {error.strerror}"
        ) from None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise StateError(
            f"state folder {root} must not be in use, was held by process {holder}: "
            "stop that one first, or give this flow another --state folder"
        ) from None
    try:
        os.ftruncate(handle.fileno(), 0)
        os.write(handle.fileno(), f"{os.getpid()}\n".encode())
    except OSError as error:
        handle.close()
        raise UnavailableError(
            f"state folder {root} must be a folder that can be written, was not: {error.strerror}"
        ) from None
    return handle


def holder(root: Path) -> str | None:
    """Return the process that holds a folder, or one of those that share it; None: nobody does."""
    try:
        with (root / "lock").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return (root / "lock").read_text().strip() or "unknown"
    return None


def check_free(root: Path, *, shared: bool = False) -> None:
    """Look whether a folder could be taken, and leave it.

    Raises
    ------
    StateError
        When a process holds it.
    """
    if (root / "lock").exists():
        hold(root, shared=shared).close()
