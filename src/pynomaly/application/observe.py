"""Tell telemetry what became of a batch."""

from __future__ import annotations

from typing import Final

import numpy as np

from pynomaly.application.detection_result import DetectionResult
from pynomaly.application.engine import Engine
from pynomaly.application.telemetry import BatchProcessed, Telemetry
from pynomaly.domain.event import DetectorStatusChanged, ModelRefitFailed, ModelRefitted
from pynomaly.domain.outcome import Level, Outcome, Reason

_UNUSED: Final = (Outcome.REJECTED, Outcome.IGNORED, Outcome.DUPLICATE)


def observe(result: DetectionResult, engine: Engine, seconds: float, telemetry: Telemetry) -> None:
    """Report one batch; costs some us a batch.

    Parameters
    ----------
    result
        What the engine returned.
    engine
        The engine, after the batch.
    seconds
        Wall time that the batch took [s].
    """
    telemetry.batch_processed(processed(result, seconds))
    telemetry.series_counted(result.batch.stream, engine.series_count)
    for event in result.events:
        if isinstance(event, ModelRefitted):
            telemetry.model_refitted(event.part)
        elif isinstance(event, ModelRefitFailed):
            telemetry.model_refit_failed(event.part)
        elif isinstance(event, DetectorStatusChanged):
            telemetry.detector_status_changed(event.part, event.status)


def processed(result: DetectionResult, seconds: float) -> BatchProcessed:
    """Return the facts of one batch that took so many seconds."""
    batch = result.batch
    outcomes = result.outcomes if result.windows is None else result.windows.outcomes
    heights = np.bincount(outcomes.level, minlength=len(Level))
    accepted = batch.time_ns[~np.isin(result.outcomes.outcome, _UNUSED)]
    return BatchProcessed(
        stream=batch.stream,
        seconds=seconds,
        by_reason=result.outcomes.count_by_reason(),
        alerts={level: int(heights[level]) for level in Level if level is not Level.NONE and heights[level]},
        newest_time_ns=int(accepted.max()) if len(accepted) else None,
        windows=_windows_by_reason(result),
        evicted=result.evicted,
    )


def _windows_by_reason(result: DetectionResult) -> dict[Reason, int]:
    return {} if result.windows is None else result.windows.outcomes.count_by_reason()
