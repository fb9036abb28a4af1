"""Sleep while no partition has anything to read.

Bytewax goes round a thousand times a second, whatever it waits for, which takes two percent of a core. It goes round
only when a partition's read returns: so, once every partition has come up empty, the last of them sleeps for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Rest:
    """Partitions of one process, and which of them have come up empty since somebody had something, or slept.

    Parameters
    ----------
    sleep
        Sleeps for seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._open: set[str] = set()
        self._empty: set[str] = set()

    def join(self, partition: str) -> None:
        """Take note of a partition that is read."""
        self._open.add(partition)

    def leave(self, partition: str) -> None:
        """Take note of one that is read no more."""
        self._open.discard(partition)
        self._empty.discard(partition)

    def busy(self) -> None:
        """Take note that a partition had something: nobody sleeps until it has come up empty again."""
        self._empty.clear()

    def empty(self, partition: str, nap_s: float) -> bool:
        """Take note that a partition had nothing; if none has, sleep. Return whether it was slept."""
        self._empty.add(partition)
        if self._empty < self._open:
            return False
        self._empty.clear()
        self._sleep(nap_s)
        return True
