"""How a PyOD detector's own number becomes "non-negative, larger is stranger"."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """A monotone map fixed when the model was fitted: ``max(0, (score - low) / width)``.

    Parameters
    ----------
    low
        Smallest score among the training window; whatever lies below it is 0, as ordinary as can be.
    width
        Interquartile range of the window's scores; their standard deviation where that range is 0. So a refit
        changes the meaning of a score little, and the calibration that follows keeps its past.
    """

    low: float
    width: float

    @classmethod
    def of(cls, training_scores: NDArray[np.float64]) -> ScoreScale:
        """Fix the map.

        Raises
        ------
        ValueError
            When the model is insane: its scores of its own window are not finite, or all the same.
        """
        if not np.isfinite(training_scores).all():
            raise ValueError("scores of the training window must be finite, was NaN or infinite")
        low, high = float(training_scores.min()), float(training_scores.max())
        lower, upper = np.quantile(training_scores, (0.25, 0.75))
        width = float(upper - lower) or float(training_scores.std())
        if low == high or not np.isfinite(width) or width <= 0.0:
            raise ValueError(f"scores of the training window must differ, was {low!r} throughout")
        return cls(low, width)

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ``(n,)`` scores; NaN stays NaN, infinity becomes the largest number."""
        with np.errstate(over="ignore"):
            return np.clip((scores - self.low) / self.width, 0.0, sys.float_info.max)
