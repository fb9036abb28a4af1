"""The alert policy over a history of evidence gives the levels that the fused kernel gave."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.application.quality.trial import LabelledSeries
from pynomaly.bootstrap import plan_of
from pynomaly.domain.outcome import Outcomes
from pynomaly.evaluation.bench import Bench, policy_judge
from pynomaly.evaluation.contender import Contender

_CONTENDER = Contender("two", ("ew_zscore:calibration.warm_up=30", "running_range"), (("watch", 1.0), ("warning", 2.5)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_policy_alone_alerts_as_the_engine_does(seed: int) -> None:
    """Rows from which detectors still learn included: they are not judged, and count as records."""
    random = np.random.default_rng(seed)
    values = random.standard_t(2.5, (4_000, 1))
    judgement = Bench(_CONTENDER, ("value",), has_clock=False).judge(
        LabelledSeries("s", "g", ("value",), None, values, ())
    )
    plan = plan_of(_CONTENDER.spec(("value",), has_clock=False)).scoring
    assert set(judgement.level.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(policy_judge()(judgement.evidence, plan.common), judgement.level)


def test_alert_scores() -> None:
    """Only alerts have an alert score."""
    outcomes = Outcomes.empty(3, 1, 1)
    outcomes.evidence[:] = [0.5, 5.0, np.nan]
    outcomes.level[:] = [0, 2, 0]
    np.testing.assert_array_equal(outcomes.alert_score, [0.0, 5.0, np.nan])
