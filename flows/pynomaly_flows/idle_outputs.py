"""Outputs are looked after while nothing is written to them.

A client learns only from its own calls that its brokers are away, refuse it or have failed a message. Without this an
output that is away would be noticed at the next alert, and what is wrong with an earlier one at the next checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pynomaly.application.telemetry import Telemetry

_EVERY_S: Final = 1.0

#: Serves an output; returns what keeps it from answering, None while nothing is known to.
Look = Callable[[], str | None]


class IdleOutputs:
    """The open outputs of one process, looked at once a second by whoever reads its input.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_s = clock()
        self._looks: dict[str, Look] = {}
        self._outages: dict[str, str | None] = {}

    def join(self, output: str, look: Look) -> None:
        """Take note of an output that is open."""
        self._looks[output] = look

    def leave(self, output: str) -> None:
        """Take note of one that is closed."""
        self._looks.pop(output, None)

    def look(self, telemetry: Telemetry) -> None:
        """Serve all outputs if it is time to, and tell of those that have begun or ceased to answer.

        Raises
        ------
        DeliveryError, AccessError
            When one has failed for good.
        """
        now_s = self._clock()
        if now_s - self._looked_s < _EVERY_S:
            return
        self._looked_s = now_s
        for output, look in self._looks.items():
            outage = look()
            if outage != self._outages.get(output):
                self._outages[output] = outage
                telemetry.output_answers(output, outage)
