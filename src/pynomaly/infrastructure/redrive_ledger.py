"""The ledger of redrives as an SQLite file: which dead letters were sent where."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from pynomaly.domain.error import StateError, UnavailableError

_WAIT_S: Final = 10.0
_LOOKED_UP: Final = 500  # SQLite takes 999 parameters at least
_TABLE: Final = "CREATE TABLE IF NOT EXISTS sent (target TEXT, letter TEXT, PRIMARY KEY (target, letter)) WITHOUT ROWID"


class SqliteRedriveLedger:
    """One file; it and its folder come into being with the first letter. About 80 bytes a letter.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def sent(self, target: str, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that were sent to a target before.

        Raises
        ------
        StateError
            When the file is no ledger.
        """
        if not self._path.exists():
            return set()
        found: set[str] = set()
        with self._open() as ledger:
            for first in range(0, len(ids), _LOOKED_UP):
                some = ids[first : first + _LOOKED_UP]
                marks = ",".join("?" * len(some))
                query = f"SELECT letter FROM sent WHERE target = ? AND letter IN ({marks})"  # noqa: S608 - only marks
                found.update(row[0] for row in ledger.execute(query, [target, *some]))
        return found

    def record(self, target: str, ids: Sequence[str]) -> None:
        """Remember, durably and all or none, that these were sent to a target.

        Raises
        ------
        UnavailableError
            When the folder cannot be written.
        StateError
            When the file is no ledger.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{self._path.parent} must be a folder, was not: {error.strerror}") from None
        with self._open() as ledger, ledger:
            ledger.executemany("INSERT OR IGNORE INTO sent VALUES (?, ?)", [(target, one) for one in ids])

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_WAIT_S)) as ledger:
                ledger.execute("PRAGMA synchronous = FULL")
                ledger.execute(_TABLE)
                yield ledger
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"redrive ledger {self._path} must be writable, was not: {error}") from None
        except sqlite3.DatabaseError as error:
            raise StateError(
                f"redrive ledger {self._path} must be a file of this program, was not: {error}; without it every "
                "letter can be sent again: move it away only if you want that"
            ) from None
