"""The running quantile against the algorithm's own worked example, and against sorting."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.domain.detectors.quantile import QUANTILE_FIELDS, observe, quantile
from pynomaly.domain.layout import zeros

#: Table I of Jain and Chlamtac (1985): 20 observations, and their estimate of the median.
_OBSERVATIONS = (
    0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92,
    34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37,
)  # fmt: skip
_PUBLISHED = 4.44


def test_the_published_example() -> None:
    """The paper's 20 observations give the paper's median."""
    (state,) = zeros(QUANTILE_FIELDS)
    for x in _OBSERVATIONS:
        observe(state, 0.5, x)
    assert quantile(state) == pytest.approx(_PUBLISHED, abs=0.005)


@pytest.mark.parametrize(
    ("name", "share"),
    [("normal", 0.5), ("normal", 0.9), ("exponential", 0.5), ("exponential", 0.9), ("standard_cauchy", 0.5)],
)
def test_near_the_sorted_quantile(name: str, share: float) -> None:
    """After 2,000 observations the estimate stands within 2 % of the observations of the true quantile."""
    (state,) = zeros(QUANTILE_FIELDS)
    drawn = getattr(np.random.default_rng(3), name)(size=2_000)
    for x in drawn.tolist():
        observe(state, share, x)
    below = float(np.mean(drawn <= quantile(state)))
    assert abs(below - share) <= 0.02


@pytest.mark.parametrize(("observations", "expected"), [((), 0.0), ((3.0,), 3.0), ((3.0, 1.0, 2.0), 2.0)])
def test_few_observations(observations: tuple[float, ...], expected: float) -> None:
    """Until there are five, it is the middle one."""
    (state,) = zeros(QUANTILE_FIELDS)
    for x in observations:
        observe(state, 0.5, x)
    assert quantile(state) == expected
