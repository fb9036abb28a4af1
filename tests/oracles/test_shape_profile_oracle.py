"""Distances of subsequences at the period of a series against every window compared with every earlier one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pynomaly.domain.detectors.ar_residual import AR_RESIDUAL, ArResidualOptions
from pynomaly.domain.detectors.shape_profile import SHAPE_PROFILE, ShapeProfileOptions

_OPTIONS = ShapeProfileOptions(horizon=400, period_records=600)


def _scores(values: NDArray[np.float64], options: ShapeProfileOptions) -> tuple[NDArray[np.float64], NDArray[np.void]]:
    layout = SHAPE_PROFILE.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = np.empty((len(values), len(SHAPE_PROFILE.facets)))
    for i, x in enumerate(values.tolist()):
        SHAPE_PROFILE.score(state, params, x, 0, scores[i])
        SHAPE_PROFILE.learn(state, params, x, 0)
    return scores, layout.initial


def _wave(period: int, records: int = 1_500) -> NDArray[np.float64]:
    """Return a wave with noise, a slow change of level, and a cycle that is upside down."""
    rng, t = np.random.default_rng(period), np.arange(records)
    wave = np.sin(2 * np.pi * t / period) + 0.3 * np.sin(4 * np.pi * t / period)
    wave[1_200 : 1_200 + period] *= -1.0
    return 50.0 + 4.0 * wave + 0.004 * t + rng.normal(0.0, 0.2, records)


def _plain_distances(y: NDArray[np.float64], window: int, horizon: int) -> tuple[float, float]:
    """Return both distances of the last window: without means, and without deviations too."""
    windows = sliding_window_view(y, window)
    last, earlier = windows[-1], windows[: len(windows) - window][-(horizon - window + 1) :]
    apart = (last - last.mean()) - (earlier - earlier.mean(axis=1, keepdims=True))
    unlevelled = float(np.sqrt((apart**2).mean(axis=1).min()))
    covariance = ((last - last.mean()) * (earlier - earlier.mean(axis=1, keepdims=True))).mean(axis=1)
    correlation = covariance / ((last.std() + 0.1) * (earlier.std(axis=1) + 0.1))
    return unlevelled, float(np.sqrt(2 * np.maximum(1 - correlation, 0)).min())


@pytest.mark.parametrize("period", [12, 40, 117])
def test_equals_all_windows_compared(period: int) -> None:
    """Every score is a distance to the nearest window within the horizon, at the windows that the period gives."""
    values = _wave(period)
    scores, state = _scores(values, _OPTIONS)
    y = np.clip((values - state["center"][0]) / state["scale"][0], -20, 20)
    assert state["center"][0] == pytest.approx(values[:600].mean(), rel=1e-6)
    assert state["scale"][0] == pytest.approx(values[:600].std(), rel=1e-6)
    told = int(state["window"][0, 2])
    windows = (8, told // 2, told)
    for i in [600, 601, *range(610, len(values), 17), 1_200 + period - 1, len(values) - 1]:
        plain = [_plain_distances(y[max(0, i - 620) : i + 1], window, _OPTIONS.horizon) for window in windows]
        expected = [*(unlevelled for unlevelled, _ in plain), plain[-1][1]]
        np.testing.assert_allclose(scores[i, :4], expected, rtol=1e-3, atol=1e-3)
    assert np.isnan(scores[:600, :4]).all()


@pytest.mark.parametrize("period", [12, 40, 117, 190])
def test_period_is_that_of_the_series(period: int) -> None:
    """The autocorrelation of the first records has its highest peak there, give or take one in twenty."""
    _, state = _scores(_wave(period, 2_001), ShapeProfileOptions())
    assert abs(int(state["window"][0, 2]) - period) <= period / 20


def test_no_period_is_the_usual_one() -> None:
    """A series that only rises has no peak: windows of 125 records."""
    _, state = _scores(np.linspace(0.0, 1.0, 700), _OPTIONS)
    assert state["window"][0].tolist() == [8, 62, 125]


def test_an_odd_cycle_scores_highest() -> None:
    """The cycle upside down has the largest distances at a period, with and without deviations."""
    scores, _ = _scores(_wave(40), _OPTIONS)
    for facet in (2, 3):
        assert 1_200 <= int(np.nanargmax(scores[:, facet])) < 1_200 + 2 * 40


def test_the_forecast_is_that_of_the_autoregressive_detector() -> None:
    """Its fifth score is another detector's, to the last bit."""
    values = _wave(40)
    layout = AR_RESIDUAL.layout(ArResidualOptions(), 1)
    expected = []
    for x in values.tolist():
        expected.append(AR_RESIDUAL.score(layout.initial[0], layout.params[0], x, 0))
        AR_RESIDUAL.learn(layout.initial[0], layout.params[0], x, 0)
    scores, _ = _scores(values, _OPTIONS)
    np.testing.assert_array_equal(scores[:, 4], expected)


def test_a_constant_start_waits_for_a_scale() -> None:
    """Without a scale every distance is 0; both come with the first records that differ."""
    values = np.concatenate([np.full(900, 7.0), _wave(40, 900)])
    scores, state = _scores(values, _OPTIONS)
    assert scores[600:900, :4].tolist() == [[0.0] * 4] * 300
    assert state["scale"][0] > 0.0
    assert np.isfinite(scores[900:]).all()
