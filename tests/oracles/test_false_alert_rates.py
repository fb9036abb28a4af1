"""Severities of ordinary records are as rare as they say."""

from __future__ import annotations

import pytest

from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.testing.false_alert_rate import Sample, plan_for, severity_rates


@pytest.mark.parametrize(
    ("detector", "kinds"),
    [
        ("ew_zscore", ("normal", "exponential", "t3", "poisson", "ar1 0.9")),
        ("jump", ("normal", "t3", "returning walk")),
        ("ar_residual", ("normal", "ar1 0.9", "daily season")),
    ],
)
def test_within_a_factor_of_two(detector: str, kinds: tuple[str, ...]) -> None:
    """One record in a thousand reaches severity 3, one in ten thousand 4, or at most twice or half as many."""
    plan = plan_for(detector)
    for kind in kinds:
        ((three, four),) = severity_rates(plan, Sample(kind, series=20, records=40_000), (3.0, 4.0))
        assert 0.5e-3 <= three.share <= 2e-3, kind
        assert 0.5e-4 - four.error <= four.share <= 2e-4 + four.error, kind


@pytest.mark.parametrize("method", ["spot", "dspot"])
def test_peaks_over_a_threshold(method: str) -> None:
    """The other calibrators are within a factor of two as well where scores keep their distribution."""
    plan = plan_for("ew_zscore", CalibrationOptions(method=method, quantile=0.98))  # type: ignore[arg-type]
    for kind in ("normal", "t3"):
        ((three, four),) = severity_rates(plan, Sample(kind, series=20, records=40_000), (3.0, 4.0))
        assert 0.5e-3 <= three.share <= 2e-3, kind
        assert 0.5e-4 - four.error <= four.share <= 2e-4 + four.error, kind
