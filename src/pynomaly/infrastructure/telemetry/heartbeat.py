"""Whether a flow still goes round: what /healthz answers from."""

from __future__ import annotations

import time
from collections.abc import Callable


class Heartbeat:
    """Time since the loop last came round.

    Parameters
    ----------
    patience_s
        How long the loop may stay away before it counts as hanging [s]; more than it may wait for a broker or a fit.
    clock
        Monotonic seconds.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Take note that the loop came round; costs 0.1 us."""
        self._last = self._clock()

    @property
    def silent_s(self) -> float:
        """How long ago the loop came round [s]."""
        return self._clock() - self._last

    def problem(self) -> str | None:
        """Say what is wrong, or None while all is well."""
        silent_s = self.silent_s
        if silent_s <= self._patience_s:
            return None
        return (
            f"input must be polled every {self._patience_s:g} s, was polled {silent_s:.0f} s ago: "
            "the flow hangs; restart it, it resumes exactly"
        )
