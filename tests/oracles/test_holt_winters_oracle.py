"""Holt-Winters smoothing against its component form."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import hours, scores_of
from oracles.plain_moments import PlainMoments, clipped_error, in_scales
from pynomaly.domain.detectors.holt_winters import HOLT_WINTERS, HoltWintersOptions


def _plain_scores(values: NDArray[np.float64], options: HoltWintersOptions, *, clock: bool = True) -> list[float]:
    """Smooth the values less their season, the differences of the level, and the values less their level."""
    alpha, beta, gamma = (
        1 - 0.5 ** (1 / half_life)
        for half_life in (options.level_half_life, options.trend_half_life, options.season_half_life)
    )
    level = trend = 0.0
    effect, visits = np.zeros(options.slots), np.zeros(options.slots)
    errors = PlainMoments(options.error_half_life)
    scores: list[float] = []
    for i, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        slot = int(hours(len(values))[i] / 1e9 % options.period_s / options.period_s * options.slots + 1e-9)
        season = effect[slot] if clock else 0.0
        forecast = level + options.damping * trend + season
        scores.append(in_scales(abs(x - forecast), errors.rms, level) if i >= options.warm_up else nan)
        error = clipped_error(x - forecast, errors, level, options.clip)
        if i > 0:
            errors.learn(error)
        cleaned, before, share = forecast + error, level, max(alpha, 1 / (i + 1))
        level = share * (cleaned - season) + (1 - share) * (level + options.damping * trend)
        pull = beta if i >= 5 else 0.0
        trend = pull * (level - before) + (1 - pull) * options.damping * trend
        if clock:
            visits[slot] += 1
            weight = max(gamma, 1 / visits[slot])
            effect[slot] = weight * (cleaned - level) + (1 - weight) * season
    return scores


@pytest.mark.parametrize(
    "options",
    [
        HoltWintersOptions(),
        HoltWintersOptions(
            level_half_life=10.0,
            trend_half_life=30.0,
            damping=0.9,
            period_s=43_200.0,
            season_half_life=4.0,
            error_half_life=40.0,
            clip=2.0,
            warm_up=3,
        ),
    ],
    ids=["default", "short"],
)
def test_equals_component_form(values: NDArray[np.float64], options: HoltWintersOptions) -> None:
    """Every score is the error of level + trend + season in root mean squares of the errors before."""
    values = values[:400]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(HOLT_WINTERS, options, values), expected, rtol=1e-5, atol=1e-5)


def test_without_a_clock_there_is_no_season() -> None:
    """Event times of 0 leave level and trend."""
    values = np.random.default_rng(6).normal(size=300).cumsum()
    scores = scores_of(HOLT_WINTERS, HoltWintersOptions(), values, np.zeros(300, np.int64))
    np.testing.assert_allclose(scores, _plain_scores(values, HoltWintersOptions(), clock=False), rtol=1e-9)


def test_a_peak_that_does_not_come_stands_out() -> None:
    """On a rising daily curve, a noon as low as a midnight is the strangest record of the last weeks."""
    hour = np.arange(24 * 90)
    random = np.random.default_rng(7)
    values = 0.01 * hour + 5.0 * np.sin(hour * 2.0 * np.pi / 24.0) + random.normal(0.0, 0.3, len(hour))
    peak = 24 * 80 + 6
    values[peak] -= 5.0
    scores = scores_of(HOLT_WINTERS, HoltWintersOptions(), values)
    assert np.argmax(scores[24 * 30 :]) + 24 * 30 == peak
