"""What a flow said of a bounded input, found by replaying it: replay equals live, so a run need keep nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.engine import DetectionResult
from pynomaly.application.replay import replay
from pynomaly.bootstrap import Services


@dataclass(frozen=True, slots=True)
class History:
    """Accepted records of an input, in its order.

    Parameters
    ----------
    field
        Name of the first value field.
    time_ns
        ``(n,)`` event times.
    value
        ``(n,)`` first value field.
    level
        ``(n,)`` level of the alert; 0 where none.
    """

    field: str
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    level: NDArray[np.uint8]

    @property
    def alert_times_ns(self) -> NDArray[np.int64]:
        """Event times of the records that alerted."""
        return self.time_ns[self.level > 0]


def history_of(services: Services, until_ns: int) -> History:
    """Replay the input of a flow; records after ``until_ns`` are left out. Memory grows with the input."""
    pieces: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]] = []

    def take(result: DetectionResult) -> None:
        batch = result.batch
        kept = (batch.refusal == 0) & (batch.time_ns <= until_ns)
        pieces.append((batch.time_ns[kept], batch.values[kept, 0], result.outcomes.level[kept]))

    replay(services.source, services.engine_for, take)
    times, values, levels = zip(*pieces, strict=True)
    field = services.plan.fields[0]
    return History(field, np.concatenate(times), np.concatenate(values), np.concatenate(levels))
