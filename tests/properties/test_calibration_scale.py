"""Severities mean the same whatever the scale of a detector's scores."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout, learn_score, position_of, severity
from pynomaly.domain.jit import Row, compiled

_RECORDS = 20_000
_SCALES = [10.0**power for power in (-12, -9, -6, -3, 0, 1, 2, 2.3, 2.5, 3, 4, 6, 9, 12, 100, 300)]


@compiled
def _severities(state: Row, params: Row, scores: NDArray[np.float64], result: NDArray[np.float64]) -> None:
    for i in range(len(scores)):
        position = position_of(scores[i])
        result[i] = severity(state, params, position)
        learn_score(state, params, position, 0.0)


def _calibrated(*pieces: NDArray[np.float64], resolution: Literal["fine", "coarse"] = "fine") -> NDArray[np.float64]:
    """Return the severities of scores; the first 1,000 are left out."""
    layout = calibrator_layout(CalibrationOptions(resolution=resolution))
    scores = np.concatenate(pieces)
    result = np.empty(len(scores))
    _severities(layout.initial[0], layout.params[0], scores, result)
    return result[1_000:]


def _lognormal(scale: float, sigma: float, records: int = _RECORDS) -> NDArray[np.float64]:
    return scale * np.exp(np.random.default_rng(7).normal(0.0, sigma, records))


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("scale", _SCALES)
def test_ordinary_scores_of_any_scale_rarely_exceed_three(scale: float, sigma: float) -> None:
    """A severity of 3.3 is one record in two thousand; three times as many are allowed here."""
    assert np.mean(_calibrated(_lognormal(scale, sigma)) >= 3.3) <= 3 * 10**-3.3


@pytest.mark.parametrize(("resolution", "expected"), [("fine", 3.3), ("coarse", 4.0)])
@pytest.mark.parametrize("first", [1e2, 1e6, 1e12, 1e300])
def test_absurd_first_scores_blind_nobody(first: float, resolution: Literal["fine", "coarse"], expected: float) -> None:
    """After ten absurd scores strange ones are told from ordinary ones; fine bins recall that ten were as strange.

    Halved twice, ten scores are 2.3e-4 of what 20,000 weigh at a half-life of 10,000: severity 3.6, less what else was
    in the highest bin while the bins moved.
    """
    severities = _calibrated(np.full(10, first), _lognormal(1.0, 0.3), np.full(1, 20.0), resolution=resolution)
    assert np.mean(severities[:-1] >= 3.3) <= 3 * 10**-3.3
    assert severities[-1] >= expected


@pytest.mark.parametrize("scale", [scale for scale in _SCALES if scale >= 1e-3])
def test_strange_scores_of_any_scale_are_found(scale: float) -> None:
    """A score five standard deviations beyond the ordinary ones has a severity of 4 or more."""
    severities = _calibrated(_lognormal(scale, 0.3), np.full(1, scale * np.exp(6 * 0.3)))
    assert severities[-1] >= 4.0


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_a_detector_that_mostly_says_zero(scale: float) -> None:
    """With nine zeros in ten scores the others are judged all the same."""
    scores = _lognormal(scale, 0.3) * (np.random.default_rng(8).random(_RECORDS) < 0.1)
    severities = _calibrated(scores, np.full(1, scale * np.exp(6 * 0.3)))
    assert np.mean(severities[:-1] >= 3.3) <= 3 * 10**-3.3
    assert severities[-1] >= 4.0


def test_a_change_of_scale_is_followed_both_ways() -> None:
    """A detector whose scores grow or shrink a millionfold has ordinary severities again once the past has decayed."""
    records = 120_000  # twelve half-lives
    for before, after in ((1.0, 1e6), (1e6, 1.0)):
        settled = _calibrated(_lognormal(before, 0.3), _lognormal(after, 0.3, records))[-_RECORDS:]
        assert np.mean(settled >= 3.3) <= 3 * 10**-3.3
        assert 0.005 <= np.mean(settled >= 2.0) <= 0.02


def test_a_severity_is_never_minus_zero() -> None:
    """A score below all others has severity 0, which is written without a sign."""
    layout = calibrator_layout(CalibrationOptions(warm_up=1))
    state, params = layout.initial[0], layout.params[0]
    for score in (3.0, 4.0):
        learn_score(state, params, position_of(score), 0.0)
    lowest = severity(state, params, position_of(1.0))
    assert (lowest, np.signbit(lowest)) == (0.0, False)


def test_weights_are_still_counted_at_the_longest_half_life() -> None:
    """Twenty million equal scores at the highest half-life weigh what their ages say."""
    half_life = CalibrationOptions.bound("half_life").high
    layout = calibrator_layout(CalibrationOptions(half_life=half_life))
    scores = np.full(20_000_000, 2.5)
    _severities(layout.initial[0], layout.params[0], scores, np.empty(len(scores)))
    growth = 0.5 ** (-1.0 / half_life)
    expected = (growth ** len(scores) - 1.0) / (growth - 1.0)
    assert layout.initial["total"][0] == pytest.approx(expected, rel=0.05)
