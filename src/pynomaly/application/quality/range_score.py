"""Precision and recall of ranges at the threshold that is in use.

Tatbul, Lee, Zdonik, Alam and Gottschlich, "Precision and Recall for Time Series" (NeurIPS 2018): a range counts by
whether it is met at all (weight alpha, eq. 4 and 5) and by how much of it is covered (eq. 6), divided by the number
of ranges that cover it (gamma = 1 / x, eq. 7), with a flat positional bias. Precision is the same the other way round,
with alpha = 0 (eq. 8). Alerts of this engine are single records with a refractory after them, so that a window is
found or not: alpha = 1 by default, where the paper leaves the choice to the application. TSB-AD's R-based F1 has
alpha = 0.2 and takes the best threshold on the labels; this one takes what alerted.

F1 after point adjustment, where one alert makes a whole window true, is left out on purpose: Kim, Choi, Choi, Lee and
Yoon, "Towards a Rigorous Evaluation of Time-Series Anomaly Detection" (AAAI 2022) show that random scores reach the
best published values of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from pynomaly.application.quality.segment import Window


@dataclass(frozen=True, slots=True)
class RangeTally:
    """What predicted and labelled ranges come to, of one series or of many.

    Parameters
    ----------
    labelled, predicted
        How many ranges.
    found, right
        Sums of what each labelled and each predicted range earned, at most 1 a range.
    """

    labelled: int = 0
    predicted: int = 0
    found: float = 0.0
    right: float = 0.0

    def __add__(self, other: RangeTally) -> RangeTally:
        """Return what both come to."""
        return RangeTally(
            self.labelled + other.labelled,
            self.predicted + other.predicted,
            self.found + other.found,
            self.right + other.right,
        )

    @property
    def recall(self) -> float:
        """Mean of what labelled ranges earned; NaN where there are none."""
        return self.found / self.labelled if self.labelled else nan

    @property
    def precision(self) -> float:
        """Mean of what predicted ranges earned; NaN where there are none."""
        return self.right / self.predicted if self.predicted else nan

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where nothing was predicted, NaN where nothing is labelled."""
        if self.labelled == 0:
            return nan
        return 0.0 if self.found + self.right == 0 else 2 / (1 / self.precision + 1 / self.recall)


def range_tally(labelled: Sequence[Window], predicted: Sequence[Window], alpha: float = 1.0) -> RangeTally:
    """Compare predicted with labelled ranges.

    Parameters
    ----------
    labelled, predicted
        Each in order and apart from each other.
    alpha
        Weight of being met at all in recall, in [0, 1].
    """
    found = sum(_earned(window, predicted, alpha) for window in labelled)
    right = sum(_earned(window, labelled, 0.0) for window in predicted)
    return RangeTally(len(labelled), len(predicted), found, right)


def _earned(window: Window, others: Sequence[Window], alpha: float) -> float:
    """Return what one range earns by those that overlap it."""
    first, last = window
    shared = [min(last, end) - max(first, begin) + 1 for begin, end in others if begin <= last and end >= first]
    if not shared:
        return 0.0
    return alpha + (1.0 - alpha) * sum(shared) / (last - first + 1) / len(shared)
