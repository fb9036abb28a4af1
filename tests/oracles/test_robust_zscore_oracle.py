"""The robust z-score against moments with the weights written out."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.plain_moments import PlainMoments
from pynomaly.domain.detectors.robust_zscore import ROBUST_ZSCORE, RobustZScoreOptions


def _learn(moments: PlainMoments, value: float, clip: float) -> None:
    """Learn a value; the count, which ends at the mean's span, loses a sixteenth if the value is clipped."""
    count = min(moments.count + 1, max(int(1 / moments.rate) + 1, 16))
    has_scale = moments.count >= 5 and moments.sd > 1e-12 * abs(moments.mean)
    if has_scale and abs(value - moments.mean) > clip * moments.sd:
        count -= count // 16
    moments.count, known = count - 1, moments.count
    moments.learn(value, known)


def _plain_scores(values: NDArray[np.float64], options: RobustZScoreOptions) -> list[float]:
    middle = sqrt(options.shortest_half_life * options.longest_half_life)
    half_lives = (options.shortest_half_life, middle, options.longest_half_life)
    every = [PlainMoments(half_life, options.clip) for half_life in half_lives]
    scores: list[float] = []
    previous = 0.0
    for i, x in enumerate(np.clip(values, -1e150, 1e150).tolist()):
        value = x - previous if options.of == "differences" else x
        distances = [m.sds(abs(value - m.mean), max(abs(m.mean), abs(previous))) for m in every]
        scores.append(max(distances) if i >= options.warm_up else nan)
        if i > 0 or options.of == "values":
            for moments in every:
                _learn(moments, value, options.clip)
        previous = x
    return scores


@pytest.mark.parametrize(
    "options",
    [
        RobustZScoreOptions(),
        RobustZScoreOptions(of="differences", shortest_half_life=5.0, longest_half_life=80.0, clip=2.0, warm_up=5),
    ],
    ids=["default", "differences"],
)
def test_equals_written_out_weights(values: NDArray[np.float64], options: RobustZScoreOptions) -> None:
    """Every score is the largest of three distances from means whose records were clipped one by one."""
    values = values[:300]
    expected = _plain_scores(values, options)
    np.testing.assert_allclose(scores_of(ROBUST_ZSCORE, options, values), expected, rtol=1e-6, atol=1e-6)


def test_a_second_spike_stands_out_like_the_first() -> None:
    """Twenty spikes in a row of noise, some right after others, score above everything ordinary."""
    random = np.random.default_rng(1)
    values = random.normal(size=3_000)
    planted = np.unique(np.append(random.integers(500, 3_000, 15), [1_000, 1_001, 1_003]))
    values[planted] += 9.0
    scores = scores_of(ROBUST_ZSCORE, RobustZScoreOptions(), values)
    assert scores[planted].min() > np.delete(scores[500:], planted - 500).max()


def test_differences_find_steps_of_a_wandering_series() -> None:
    """A step of a random walk is the strangest difference, whatever the level has become."""
    random = np.random.default_rng(2)
    steps = random.normal(size=2_000)
    steps[1_500] = 12.0
    scores = scores_of(ROBUST_ZSCORE, RobustZScoreOptions(of="differences"), np.cumsum(steps))
    assert np.nanargmax(scores) == 1_500
