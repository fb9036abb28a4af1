"""A flow's scoring, resolved: which detectors see which fields, and how their severities become alerts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.adapted import AdaptedPartFactory
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.layout import row
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.option import Options

Direction = Literal["both", "above", "below"]
_SIGNS = {"both": 0, "above": 1, "below": -1}


@dataclass(frozen=True, slots=True)
class NativeSource:
    """A part scored inside the fused kernel."""

    detector: Detector
    options: Options


@dataclass(frozen=True, slots=True)
class AdaptedSource:
    """A part scored outside, batch by batch."""

    factory: AdaptedPartFactory


@dataclass(frozen=True, slots=True)
class Part:
    """One score of a detector on some value fields, with the rules for what it says.

    Parameters
    ----------
    name
        Unique in the plan.
    source
        Where its scores come from.
    fields
        Columns of the plan's fields; one for a detector that takes a single value.
    calibration
        How its scores become severities; unused when the detector's scores are severities already.
    direction, minimum_absolute, minimum_relative
        Deviations from the expected value that count (relative: as a ratio of the expected value's size).
    guard
        Which records it must not learn; None learns all.
    channel
        How it alerts by itself; None: it adds to the common evidence.
    facet
        Which of the detector's scores it is. Those after the first follow it in the plan; they share the state.
    """

    name: str
    source: NativeSource | AdaptedSource
    fields: tuple[int, ...]
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    direction: Direction = "both"
    minimum_absolute: float = 0.0
    minimum_relative: float = 0.0
    guard: GuardOptions | None = None
    channel: Channel | None = None
    facet: int = 0

    @property
    def is_calibrated(self) -> bool:
        """Whether its scores go through a calibrator."""
        return isinstance(self.source, AdaptedSource) or self.source.detector.scale == "raw"

    def rules(self) -> NDArray[Any]:
        """Return the ``(1,)`` row of rules that compiled code reads."""
        guard = self.guard
        return row(
            direction=_SIGNS[self.direction],
            minimum_absolute=self.minimum_absolute,
            minimum_relative=self.minimum_relative,
            guard_severity=np.inf if guard is None else guard.severity,
            guard_patience=0 if guard is None else guard.patience,
        )


@dataclass(frozen=True, slots=True)
class ScoringPlan:
    """Everything that decides about scores and alerts.

    Parameters
    ----------
    fields
        Names of the ``d`` value columns.
    parts
        The ``k`` parts, in the order of the outcome columns.
    common
        How their severities add up, and when the sum alerts.
    """

    fields: tuple[str, ...]
    parts: tuple[Part, ...]
    common: Channel = field(default_factory=Channel)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is judged by itself: the common evidence, then that of each detector with rules of its own, in order."""
        own = (part.channel for part in self.parts if part.channel is not None and part.facet == 0)
        return (self.common, *(replace(channel, persistence=self.common.persistence) for channel in own))

    @property
    def keeps_interval(self) -> bool:
        """Whether a policy asks how often a series is sampled."""
        return any(channel.policy.sampling_slope > 0 for channel in self.channels)
