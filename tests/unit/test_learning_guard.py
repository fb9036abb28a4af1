"""The guard keeps anomalies from being learned, for a while."""

from __future__ import annotations

import numpy as np

from pynomaly.domain.decision import series_dtype
from pynomaly.domain.detectors.seam import row
from pynomaly.domain.learning_guard import may_learn


def test_a_burst_is_kept_out_until_patience_ends() -> None:
    """Patience 2: two severe records are not learned, the rest of the run is, and a calm record ends the run."""
    series, rules = np.zeros(1, series_dtype(1)), row(guard_severity=3.0, guard_patience=2)
    severities = [1.0, 3.0, 5.0, 4.0, 9.0, 2.9, 3.0, float("nan"), 3.0]
    learned = [may_learn(series[0], 0, rules[0], severity) for severity in severities]
    assert learned == [True, False, False, True, True, True, False, True, False]
