"""Room on the disk of the state, looked for before a checkpoint needs it.

Bytewax ends in a panic when SQLite finds no room, in the middle of an epoch. So a flow stops before that, with an error
of its own and at a moment when everything before is durable. Rules:

1. A start asks for `LEAST_BYTES` of free space.
2. Each checkpoint asks for what it will write, twice over (SQLite writes a row to its log and later to its file), and
   `_MARGIN_BYTES`.
3. What SQLite's log may grow to is reserved beforehand, so that nobody else takes it between the question and the
   write: 1,000 pages, after which SQLite begins it anew, and the rows of a checkpoint.

Closing another descriptor of a file gives up all locks that a process has on it. SQLite locks its database and its
shared memory, never its log: only that is opened here.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from pynomaly.domain.error import UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_flows.recovery_doctor import STORE

LEAST_BYTES: Final = 8_000_000
_MARGIN_BYTES: Final = 500_000
_LOG_BYTES: Final = 32 + 1_000 * (4_096 + 24)
_COPIES: Final = 2
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
_RESERVES: Final = hasattr(os, "posix_fallocate")  # not on macOS
_FULL: Final = ("DiskFull", "SystemIoFailure", "disk I/O error")


class DiskRoom:
    """Room for the recovery store of a running flow.

    Parameters
    ----------
    recovery
        Folder of the store.
    """

    def __init__(self, recovery: Path) -> None:
        self._recovery = recovery
        self._log = recovery / f"{STORE}-wal"
        self._rows: dict[Stream, int] = {}
        self._reserved = 0

    def grow(self, stream: Stream, row_bytes: int) -> None:
        """Take note of what the store will keep of a stream, and reserve room for it.

        Raises
        ------
        UnavailableError
            When there is none: the epoch must not become durable.
        """
        self._rows[stream] = row_bytes
        self.check()

    def check(self) -> None:
        """Look for the room of one more checkpoint; costs 2 us.

        Raises
        ------
        UnavailableError
            When it is not there: the epoch must not become durable.
        """
        wanted = _COPIES * sum(self._rows.values()) + _MARGIN_BYTES
        check_room(self._recovery, wanted)
        if _RESERVES and self._log.exists() and self._reserved < _LOG_BYTES + wanted:
            self._reserve(_LOG_BYTES + wanted)

    def _reserve(self, size: int) -> None:
        try:
            descriptor = os.open(self._log, os.O_RDWR)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _no_room(self._recovery, size, error.strerror or str(error)) from None
            # else a file system that reserves nothing: the question before each checkpoint must do
        self._reserved = size


def check_room(folder: Path, wanted: int) -> None:
    """Look whether a folder that exists has so much room [bytes].

    Raises
    ------
    UnavailableError
        When it has not.
    """
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < wanted:
        raise _no_room(folder, wanted, f"{free:,} were free")


def _no_room(folder: Path, wanted: int, reason: str) -> UnavailableError:
    return UnavailableError(
        f"state folder {folder} must have room for {wanted:,} bytes, had not ({reason}): make room on its disk; the "
        "next start goes on from the last checkpoint"
    )


def is_full_disk(error: BaseException) -> bool:
    """Tell a panic of Bytewax for want of room, which comes when another program took even what was reserved."""
    return type(error).__name__ == "PanicException" and any(word in str(error) for word in _FULL)
