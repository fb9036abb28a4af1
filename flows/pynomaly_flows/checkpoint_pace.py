"""How often to checkpoint: seldom enough that it costs a small share of the time, however large the state grows.

Bytewax takes the interval once, at its start. So when checkpoints have come to cost more than their share, the flow
drains, which is a checkpoint that was due anyway, and Bytewax starts again around the same engines and readers. The
interval grows by half more than is needed, so a state that grows for long causes few such starts.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from pynomaly.domain.record import Stream

_ROOM: Final = 1.5
_SAVED_BYTES_PER_S: Final = 250e6  # to begin with, until measured
_log = logging.getLogger(__name__)


class CheckpointPace:
    """The interval between checkpoints.

    Parameters
    ----------
    shortest_s
        The interval while states are small [s].
    share
        Most part of the time that making and writing states may take, in (0, 1]; 1 leaves the interval as it is.
    state_bytes
        Size of the state at the start.
    """

    def __init__(self, shortest_s: float, share: float, state_bytes: int = 0) -> None:
        self._share = share
        self._interval_s = shortest_s
        self._costs: dict[Stream, deque[float]] = {}
        self.too_fast = False
        """Whether checkpoints have come to cost more than their share; `slow_down` mends it."""
        self._grow_to(state_bytes / _SAVED_BYTES_PER_S)

    @property
    def interval_s(self) -> float:
        """Time from one checkpoint to the next [s]."""
        return self._interval_s

    def checkpoint_written(self, stream: Stream, seconds: float) -> None:
        """Take note of what it took to save the state of one stream [s]."""
        self._costs.setdefault(stream, deque(maxlen=2)).append(seconds)
        self.too_fast = self._share < 1 and self._cost_s() > self._share * self._interval_s

    def slow_down(self) -> None:
        """Choose the interval that the measured cost asks for, if it asks for a longer one, and measure anew."""
        before = self._interval_s
        self._grow_to(self._cost_s() * _ROOM)
        self._costs.clear()
        self.too_fast = False
        _log.info("checkpoint_interval_raised", extra={"from_s": round(before, 1), "to_s": round(self._interval_s, 1)})

    def _grow_to(self, cost_s: float) -> None:
        if self._share < 1:
            self._interval_s = max(self._interval_s, cost_s / self._share)

    def _cost_s(self) -> float:
        """Return the cost of one checkpoint of all streams; of a stream's last two the smaller, as disks hiccup."""
        return sum(min(costs) for costs in self._costs.values() if len(costs) == costs.maxlen)
