"""The slot profile against lists of every slot's visits, by the hour that the calendar says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.weights import weights
from pynomaly.domain.detectors.seasonal_slot import SEASONAL_SLOT, SeasonalSlotOptions

_START = datetime(1969, 12, 20, 7, 31, 12, tzinfo=UTC)  # the first days lie before the epoch
_STEP = timedelta(minutes=47, seconds=13)


def _weighted(items: list[float], half_life: float) -> float:
    """Return the mean with weights that halve every half-life; plain until that is filled."""
    return float(np.average(items, weights=weights(len(items), half_life)))


def _plain_scores(values: NDArray[np.float64], options: SeasonalSlotOptions, zone: timezone) -> list[float]:
    visits: dict[int, list[float]] = {}
    residuals: list[float] = []
    scores: list[float] = []
    for i, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        seen = visits.setdefault((_START + i * _STEP).astimezone(zone).hour, [])
        mean = _weighted(seen, options.half_life) if seen else 0.0
        learned, score = x, nan
        if len(seen) >= options.warm_up:
            variance = _weighted([(v - mean) ** 2 for v in seen], options.half_life)
            floor = options.floor * _weighted(residuals, options.residual_half_life)
            sd = sqrt(max(variance, floor))
            if sd > 1e-12 * abs(mean):
                score = min(abs(x - mean) / sd, 1e12)
                learned = min(max(x, mean - 100 * sd), mean + 100 * sd)
            else:
                score = 0.0 if abs(x - mean) <= 1e-12 * abs(mean) else 10.0
        if seen:
            residuals.append((learned - mean) ** 2)
        seen.append(learned)
        scores.append(score)
    return scores


@pytest.mark.parametrize(
    "options",
    [
        SeasonalSlotOptions(),
        SeasonalSlotOptions(half_life=3.0, floor=0.5, residual_half_life=40.0, warm_up=2),
        SeasonalSlotOptions(utc_offset_s=19_800.0),
    ],
    ids=["default", "short", "offset"],
)
def test_equals_lists_of_visits(values: NDArray[np.float64], options: SeasonalSlotOptions) -> None:
    """Every score is the distance from the hour's weighted mean in its weighted, floored standard deviations."""
    values = values[:400]
    layout = SEASONAL_SLOT.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for i, x in enumerate(values.tolist()):
        time_ns = (_START + i * _STEP - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
        scores.append(SEASONAL_SLOT.score(state, params, x, time_ns))
        SEASONAL_SLOT.learn(state, params, x, time_ns)
    plain = _plain_scores(values, options, timezone(timedelta(seconds=options.utc_offset_s)))
    np.testing.assert_allclose(scores, plain, rtol=1e-6, atol=1e-6)
