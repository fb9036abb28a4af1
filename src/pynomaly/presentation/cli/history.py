"""What a flow said of a bounded input, found by replaying it: replay equals live, so a run need keep nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.replay import replay
from pynomaly.bootstrap import Services
from pynomaly.domain.event import AnomalyDetected
from pynomaly.domain.outcome import Level


@dataclass(frozen=True, slots=True)
class Alert:
    """When a record alerted, or the last moment of a window that did [ns], and at which level."""

    time_ns: int
    level: Level


@dataclass(frozen=True, slots=True)
class History:
    """Accepted records of an input, in its order, and its alerts.

    Parameters
    ----------
    field
        Name of the first value field.
    time_ns
        ``(n,)`` event times.
    value
        ``(n,)`` first value field.
    alerts
        In the order of the input.
    """

    field: str
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    alerts: tuple[Alert, ...]


def history_of(services: Services, until_ns: int) -> History:
    """Replay the input of a flow; what comes after ``until_ns`` is left out. Memory grows with the input."""
    times: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    alerts: list[Alert] = []

    def take(result: DetectionResult) -> None:
        batch = result.batch
        kept = (batch.refusal == 0) & (batch.time_ns <= until_ns)
        times.append(batch.time_ns[kept])
        values.append(batch.values[kept, 0])
        found = [_alert(event) for event in result.events if isinstance(event, AnomalyDetected)]
        alerts.extend(alert for alert in found if alert.time_ns <= until_ns)

    replay(services.source, services.engine_for, take)
    return History(services.plan.fields[0], np.concatenate(times), np.concatenate(values), tuple(alerts))


def _alert(event: AnomalyDetected) -> Alert:
    return Alert(event.time_ns if event.window is None else event.window.end_ns - 1, event.level)
