"""The detector against NumPy's quantiles, and against what pynomaly asks of every detector."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.testing import Claims, Promise, detector_contract
from pynomaly_tukey_fence import TUKEY_FENCE, TukeyFenceOptions

_CLAIMS = Claims(ends={"window": (16, 400), "warm_up": (4, 300)})


@pytest.mark.parametrize("promise", detector_contract(TUKEY_FENCE, _CLAIMS), ids=str)
def test_promises_are_kept(promise: Promise) -> None:
    """It keeps what every detector of pynomaly keeps, under every set of options."""
    promise.check()


@pytest.mark.parametrize("window", [4, 5, 60])
def test_scores_are_distances_in_heights_of_the_box(window: int) -> None:
    """Each score is |x - median| / (Q3 - Q1) of the last values, ties among them included, by NumPy's quantiles."""
    values = np.random.default_rng(5).normal(10.0, 2.0, 300).round(1)
    layout = TUKEY_FENCE.layout(TukeyFenceOptions(window=window, warm_up=window), 1)
    state, params = layout.initial[0], layout.params[0]
    for number, x in enumerate(values.tolist()):
        found = TUKEY_FENCE.score(state, params, x, 0)
        if number < window:
            assert np.isnan(found)
        else:
            lower, median, upper = np.quantile(values[number - window : number], [0.25, 0.5, 0.75])
            if upper - lower > 1e-9:
                assert found == pytest.approx(abs(x - median) / (upper - lower), rel=1e-9, abs=1e-9)
        TUKEY_FENCE.learn(state, params, x, 0)


def test_a_quarter_of_outliers_hides_nothing() -> None:
    """With every fifth value far off, the next far one still scores many times what an ordinary one does."""
    rng = np.random.default_rng(6)
    values = rng.normal(0.0, 1.0, 400)
    values[::5] += 1e6
    layout = TUKEY_FENCE.layout(TukeyFenceOptions(), 1)
    state, params = layout.initial[0], layout.params[0]
    for x in values.tolist():
        TUKEY_FENCE.learn(state, params, x, 0)
    assert TUKEY_FENCE.score(state, params, 1e6, 0) > 1e5
    assert TUKEY_FENCE.score(state, params, 0.0, 0) < 2.0
