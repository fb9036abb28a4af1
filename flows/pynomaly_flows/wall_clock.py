"""A wall clock that is set back.

Bytewax measures its epochs by the wall clock: set back by two hours it would close none for two hours, and so make no
checkpoint. An epoch that is closed by the end of its sources is not asked for the time, so a pause puts it right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Less than this is left alone: an epoch is late by no more.
TOLERATED_S: Final = 1.0


class WallClock:
    """Compares the wall clock with the monotonic one since it looked last; a look costs 0.1 us.

    Parameters
    ----------
    wall_s, monotonic_s
        The clocks [s].
    """

    def __init__(
        self, wall_s: Callable[[], float] = time.time, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._ahead_s = wall_s() - monotonic_s()

    def set_back_s(self) -> float:
        """Return by how much it was set back since that was told last [s]; 0 for less than is tolerated."""
        ahead_s = self._wall_s() - self._monotonic_s()
        back_s = self._ahead_s - ahead_s
        if abs(back_s) < TOLERATED_S:  # small steps add up, until they are told together
            return 0.0
        self._ahead_s = ahead_s
        return max(back_s, 0.0)
