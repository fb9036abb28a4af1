"""What a search makes as large as it can, as sums over pieces of series.

A score is that of sums, not a mean of scores, wherever its definition has one for a whole corpus: the marks of a piece
are what it adds. So the score of any part of a history is a sum of marks away.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import isnan

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.quality.nab import PROFILES, tally
from pynomaly.application.quality.range_score import range_tally
from pynomaly.application.quality.segment import Window, runs
from pynomaly.application.quality.volume import volumes

Floats = NDArray[np.float64]

_STANDARD = PROFILES["standard"]


class Objective(StrEnum):
    """A score of detection, the larger the better."""

    F1 = "f1"
    """Of ranges at the alert levels; see `range_score`."""
    NAB = "nab"
    """Of the Numenta Anomaly Benchmark, standard profile; see `nab`."""
    VUS_PR = "vus-pr"
    """Of the ranking score, mean over the series; see `volume`."""

    @property
    def has_threshold(self) -> bool:
        """Whether it depends on alert levels."""
        return self is not Objective.VUS_PR

    def marks_of_alerts(self, alerted: NDArray[np.bool_], windows: Sequence[Window], unscored: int) -> Floats:
        """Return ``(4,)`` what the alerts of a piece add.

        Parameters
        ----------
        alerted
            ``(n,)`` whether each row alerted.
        windows
            In order and apart from each other.
        unscored
            First rows that do not count, where the definition leaves some out.
        """
        if self is Objective.NAB:
            found = tally(alerted, windows, unscored=unscored)
            return np.array([found.points(_STANDARD), found.windows, 0.0, 0.0])
        ranges = range_tally(windows, runs(alerted))
        return np.array([ranges.labelled, ranges.predicted, ranges.found, ranges.right])

    @staticmethod
    def marks_of_ranking(scores: Floats, windows: Sequence[Window], longest: int) -> Floats:
        """Return ``(4,)`` what the ranking of a piece adds; see `volumes`."""
        volume = volumes(scores, windows, longest).pr if len(scores) else np.nan
        return np.zeros(4) if isnan(volume) else np.array([volume, 1.0, 0.0, 0.0])

    def score(self, sums: Floats) -> Floats:
        """Return ``(...)`` scores of ``(..., 4)`` sums of marks; NaN where nothing is labelled."""
        with np.errstate(invalid="ignore", divide="ignore"):
            match self:
                case Objective.NAB:
                    silent = -_STANDARD.missed * sums[..., 1]
                    return np.asarray(100.0 * (sums[..., 0] - silent) / (sums[..., 1] - silent))
                case Objective.VUS_PR:
                    return np.asarray(sums[..., 0] / sums[..., 1])
                case Objective.F1:
                    labelled, predicted, found, right = np.moveaxis(sums, -1, 0)
                    harmonic = 2.0 / (predicted / right + labelled / found)
                    return np.where(labelled > 0, np.where(found * right > 0, harmonic, 0.0), np.nan)
