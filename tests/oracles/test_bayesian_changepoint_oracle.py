"""The posterior of the run length against runs kept whole and log-gamma functions."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, log1p, nan, pi

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.plain_moments import PlainMoments
from pynomaly.domain.detectors.bayesian_changepoint import BAYESIAN_CHANGEPOINT, BayesianChangepointOptions


@dataclass
class _Run:
    """A run with its normal-gamma posterior (mean, kappa, alpha, beta)."""

    probability: float
    mean: float
    beta: float
    length: int = 0
    kappa: float = 0.1
    alpha: float = 1.0

    def density(self, x: float, variance: float) -> float:
        """Return Student's t with 2 alpha degrees of freedom, or in one of a thousand cases any value within 20 sd."""
        squared_scale = max(self.beta * (self.kappa + 1) / (self.alpha * self.kappa), 1e-6 * variance)
        freedom = 2 * self.alpha
        log_t = (
            lgamma((freedom + 1) / 2)
            - lgamma(freedom / 2)
            - log(pi * freedom * squared_scale) / 2
            - (freedom + 1) / 2 * log1p((x - self.mean) ** 2 / (freedom * squared_scale))
        )
        return 0.999 * exp(log_t) + 0.001 / (40 * variance**0.5)

    def learn(self, x: float, memory: float) -> None:
        """Take a record into the posterior, which never counts for more records than the memory."""
        self.beta += self.kappa * (x - self.mean) ** 2 / (2 * (self.kappa + 1))
        self.mean = (self.kappa * self.mean + x) / (self.kappa + 1)
        self.length += 1
        if self.length <= memory:
            self.kappa, self.alpha = self.kappa + 1, self.alpha + 0.5
        else:
            self.beta *= self.alpha / (self.alpha + 0.5)


def _plain_scores(values: NDArray[np.float64], options: BayesianChangepointOptions) -> list[float]:
    hazard = 1 / options.expected_run
    moments = PlainMoments(options.half_life, clip=20.0)
    runs: list[_Run] = []
    scores: list[float] = []
    for i, value in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        mean, sd = moments.mean, moments.sd
        score = 0.0
        if sd**2 > 1e-280 and sd > 1e-12 * abs(mean):
            x = min(max(value, mean - 20 * sd), mean + 20 * sd)
            for run in runs:
                run.probability *= (1 - hazard) * run.density(x, sd**2)
            begun = _Run(0.0, mean, sd**2 / 2)
            begun.probability = hazard * begun.density(x, sd**2)
            total = begun.probability + sum(run.probability for run in runs)
            old = sum(run.probability for run in runs if run.length >= options.recent)
            score = -log(min(max(old / total, 1e-12), 1.0))
            if len(runs) == options.runs:
                runs.remove(min(runs, key=lambda run: run.probability))
            runs.append(begun)
            for run in runs:
                run.learn(x, options.memory)
            total = sum(run.probability for run in runs)
            for run in runs:
                run.probability /= total
            runs = [run for run in runs if run.probability >= 1e-12]
        scores.append(score if i >= options.warm_up else nan)
        moments.learn(value)
    return scores


@pytest.mark.parametrize(
    "options",
    [
        BayesianChangepointOptions(),
        BayesianChangepointOptions(expected_run=30.0, recent=3, memory=25.0, half_life=60.0, warm_up=10),
    ],
    ids=["default", "short"],
)
def test_equals_runs_kept_whole(values: NDArray[np.float64], options: BayesianChangepointOptions) -> None:
    """Every score is -log of the probability that the run is longer than recent."""
    values = values[:300]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(BAYESIAN_CHANGEPOINT, options, values), expected, rtol=1e-5, atol=1e-6)


def test_changes_stand_out_and_a_spike_does_not() -> None:
    """Soon after a shift and after a threefold spread the score exceeds all others; a spike is no change."""
    values = np.random.default_rng(8).normal(size=3_000)
    values[1_000] = 30.0
    values[1_500:] += 2.0
    values[2_500:] = 2.0 + 3.0 * (values[2_500:] - 2.0)
    scores = scores_of(BAYESIAN_CHANGEPOINT, BayesianChangepointOptions(), values)
    near = np.zeros(3_000, np.bool_)
    near[1_500:1_540] = near[2_500:2_540] = True
    ordinary = np.nanmax(scores[~near])
    assert scores[1_500:1_530].max() > ordinary
    assert scores[2_500:2_530].max() > ordinary
