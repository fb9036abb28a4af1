"""How often to checkpoint: seldom enough that it costs a small share of the time, as large as the state may grow.

Bytewax takes the interval once, at its start. So when checkpoints have come to cost more than their share, the flow
drains, which is a checkpoint that was due anyway, and Bytewax starts again around the same engines and readers. The
interval grows by half more than is needed, so a state that grows for long causes few such starts; and never beyond a
ceiling, however slow a disk was for a while. It shrinks in the same way, once five checkpoints in a row have said that
half of it would do.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from pynomaly.domain.record import Stream

_ROOM: Final = 1.5
_CHEAP_IN_A_ROW: Final = 5
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
    longest_s
        The interval is never longer, whatever checkpoints cost, unless ``shortest_s`` is [s].
    """

    def __init__(self, shortest_s: float, share: float, state_bytes: int = 0, longest_s: float = float("inf")) -> None:
        self._share = share
        self._shortest_s = shortest_s
        self._longest_s = max(shortest_s, longest_s)
        self._costs: dict[Stream, deque[float]] = {}
        self._interval_s = self._fitting(state_bytes / _SAVED_BYTES_PER_S)
        self._next_s = self._interval_s

    @property
    def interval_s(self) -> float:
        """Time from one checkpoint to the next [s]."""
        return self._interval_s

    @property
    def is_unfit(self) -> bool:
        """Whether checkpoints have come to cost more than their share, or far less; `adjust` mends it."""
        return self._next_s != self._interval_s

    def checkpoint_written(self, stream: Stream, seconds: float) -> None:
        """Take note of what it took to save the state of one stream [s]."""
        self._costs.setdefault(stream, deque(maxlen=_CHEAP_IN_A_ROW)).append(seconds)
        self._next_s = self._wanted_s()

    def adjust(self) -> None:
        """Choose the interval that the measured cost asks for, and measure anew."""
        before, self._interval_s = self._interval_s, self._next_s
        self._costs.clear()
        _log.info("checkpoint_interval_changed", extra={"from_s": round(before, 1), "to_s": round(self._interval_s, 1)})

    def _wanted_s(self) -> float:
        cost_s = self._cost_s()
        if self._fitting(cost_s) > self._interval_s:
            return self._fitting(cost_s * _ROOM)
        enough_s = self._fitting(self._highest_cost_s() * _ROOM)
        return enough_s if 2 * enough_s <= self._interval_s else self._interval_s

    def _fitting(self, cost_s: float) -> float:
        """Return the shortest interval of which a checkpoint takes no more than its share, within the bounds [s]."""
        wanted_s = cost_s / self._share if self._share < 1 else 0.0
        return min(max(self._shortest_s, wanted_s), self._longest_s)

    def _cost_s(self) -> float:
        """Return the cost of one checkpoint of all streams; of a stream's last two the smaller, as disks hiccup."""
        return sum(min(list(costs)[-2:]) for costs in self._costs.values() if len(costs) > 1)

    def _highest_cost_s(self) -> float:
        """Return what one took at the most lately; infinite until every stream has been measured often enough."""
        if any(len(costs) < _CHEAP_IN_A_ROW for costs in self._costs.values()):
            return float("inf")
        return sum(max(costs) for costs in self._costs.values())
