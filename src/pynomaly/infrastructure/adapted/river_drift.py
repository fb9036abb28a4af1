"""Drift detectors of `river.drift` as detectors of one field.

They learn and judge in one step: the statistic after a record says how far the last values, this one among them, have
left those before. What comes later does not touch it. After a drift River's models begin anew, and test nothing until
they have values enough; that is known to be no drift, so the score is 0 then, not unknown.
"""

from __future__ import annotations

import math
from typing import Any, Final

_LEAST_P: Final = 1e-300
_LARGEST: Final = 1e150  # the square of a larger one is infinite, and a sum that was infinite once stays no number


def updated(model: Any, value: float) -> None:
    """Let a drift detector take the next value."""
    model.update(min(max(value, -_LARGEST), _LARGEST))


def adwin_is_warm(model: Any, records: int) -> bool:
    """Whether it has cut its window at least once on trial."""
    return bool(records >= max(model.grace_period, model.clock))


def adwin_statistic(model: Any, _score: float) -> float:
    """Return 1 where its window was cut (Bifet and Gavalda 2007, figure 1), else 0: it keeps no number between."""
    return 1.0 if model.drift_detected else 0.0


def kswin_is_warm(model: Any, records: int) -> bool:
    """Whether its window has been full."""
    return bool(records >= model.window_size)


def kswin_statistic(model: Any, _score: float) -> float:
    """Return -log10 of the p-value of the two-sample test (Raab, Heusinger and Schleif 2020)."""
    model.p_value = float(model.p_value)  # a scalar of NumPy, which saved state does not hold
    has_tested = model.drift_detected or len(model.window) >= model.window_size
    return max(0.0, -math.log10(max(model.p_value, _LEAST_P))) if has_tested else 0.0


def page_hinkley_is_warm(model: Any, records: int) -> bool:
    """Whether it has tested once."""
    return bool(records >= model.min_instances)


def page_hinkley_statistic(model: Any, _score: float) -> float:
    """Return the larger of the two sums that are tested, over the threshold; of one with a direction only that sum."""
    if model._x_mean.n < model.min_instances:  # noqa: SLF001 - River tells only whether, not how far
        return 0.0
    rise = model._sum_increase - model._min_increase  # noqa: SLF001
    fall = model._max_decrease - model._sum_decrease  # noqa: SLF001
    tested = {"up": rise, "down": fall, "both": max(rise, fall)}[model.mode]
    return float(max(0.0, tested) / model.threshold)
