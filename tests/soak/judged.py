"""What a run has judged by now, from its outcomes file as it grows."""

from __future__ import annotations

from pathlib import Path

import orjson

from e2e.verifier import Offset, assert_one_outcome_each, places


class Judged:
    """Reads each line of an outcomes file once.

    Parameters
    ----------
    path
        The file. A run that is killed cuts it back, so nobody may `count` before the last restart of a stretch, and
        the run must have been drained, or go on, when it is asserted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._verified: set[Offset] = set()
        self._new: list[dict[str, int]] = []
        self._read_bytes = 0

    def count(self) -> int:
        """Return how many records have an outcome by now."""
        if not self._path.exists():
            return 0
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        self._new += [line for line in map(orjson.loads, whole.splitlines()) if "offset" in line]
        return len(self._verified) + len(self._new)

    @property
    def verified(self) -> set[Offset]:
        """Where the records stand that had an outcome when it was last asserted."""
        return self._verified

    def assert_one_each(self, offsets: set[Offset]) -> None:
        """Fail unless exactly these records have an outcome, and each one; nothing of it is taken back any more."""
        self.count()
        assert_one_outcome_each(self._new, offsets - self._verified)
        self._verified, self._new = self._verified | set(places(self._new)), []
