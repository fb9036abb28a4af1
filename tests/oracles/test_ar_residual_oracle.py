"""The autoregressive residual against least squares solved anew for every record."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.plain_moments import PlainMoments, clipped_error, in_scales
from pynomaly.domain.detectors.ar_residual import AR_RESIDUAL, ArResidualOptions


def _plain_scores(values: NDArray[np.float64], options: ArResidualOptions) -> list[float]:
    """Solve the normal equations, discounted and with a ridge of a tenth, for the step of the weights."""
    order = options.order
    keep = 0.5 ** (1 / options.half_life)
    information, weight = np.eye(order) / 10, np.zeros(order)
    moments, errors = PlainMoments(options.half_life, clip=10.0), PlainMoments(options.error_half_life)
    past = np.zeros(order)
    scores: list[float] = []
    for i, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        mean, sd = moments.mean, moments.sd
        forecast = mean + min(max(float(weight @ (past - mean)), -10 * sd), 10 * sd)
        scores.append(in_scales(abs(x - forecast), errors.rms, mean) if i >= options.warm_up else nan)
        error = clipped_error(x - forecast, errors, mean, options.clip)
        if i > order and sd > 1e-12 * abs(mean):
            y = (past - mean) / sd
            information = keep * information + np.outer(y, y)
            weight = weight + np.linalg.solve(information, y) * np.clip(error / sd, -100, 100)
            if np.linalg.inv(information).diagonal().max() > 1e6:
                information = np.eye(order) / 10
        if i > 0:
            errors.learn(error)
        moments.learn(x)
        past = np.append(moments.newest, past[:-1])
    return scores


@pytest.mark.parametrize(
    "options",
    [ArResidualOptions(), ArResidualOptions(half_life=60.0, error_half_life=20.0, clip=2.5, warm_up=5)],
    ids=["default", "short"],
)
def test_equals_least_squares(values: NDArray[np.float64], options: ArResidualOptions) -> None:
    """Every score is the error of the forecast in root mean squares of the errors before."""
    values = values[:300]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(AR_RESIDUAL, options, values), expected, rtol=1e-5, atol=1e-5)


def test_a_slip_of_an_oscillation_stands_out() -> None:
    """Where a wave jumps ahead by a third of its period, within its range, the residual is the largest by far."""
    phase = np.arange(3_000) * 2.0 * np.pi / 50.0
    phase[2_500:] += 2.0 * np.pi / 3.0
    values = np.sin(phase) + np.random.default_rng(5).normal(0.0, 0.02, 3_000)
    scores = scores_of(AR_RESIDUAL, ArResidualOptions(), values)
    assert np.nanargmax(scores) == 2_500
    assert scores[2_500] > 3.0 * np.nanmax(scores[500:2_500])
