"""A detector with several scores in the fused kernel: each calibrated by itself, all in one channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.alert_policy import AlertPolicyOptions
from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout, learn_score, position_of, severity
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE, JointProfileOptions
from pynomaly.domain.kernel import render
from pynomaly.domain.outcome import Outcomes
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

_RECORDS, _SERIES = 3_000, 2
_OPTIONS = JointProfileOptions(horizon=256, scale_records=50)
_GATED = CalibrationOptions(warm_up=100, gate=2.0, gated=0.05)
_CHANNEL = Channel(policy=AlertPolicyOptions(watch=1.0, warning=2.0, critical=None), weight=0.5, ranked=3.0)
_FACETS = tuple(
    Part(f"joint.{name}", NativeSource(JOINT_PROFILE, _OPTIONS), (0, 1), _GATED, channel=_CHANNEL, facet=facet)
    for facet, name in enumerate(JOINT_PROFILE.facets)
)
_Z = Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions()), (1,), CalibrationOptions(warm_up=100))


def _values() -> NDArray[np.float64]:
    rng = np.random.default_rng(9)
    values = rng.normal(size=(_RECORDS, 2)) + np.sin(np.arange(_RECORDS) / 9.0)[:, np.newaxis]
    values[2_000:2_080, 0] += 6.0
    return values


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Return what a flow says whose detector with several scores stands between others."""
    plan = ScoringPlan(("a", "b"), (_Z, *_FACETS, replace(_Z, name="last")))
    scoring = Scoring(plan, KernelLibrary(tmp_path_factory.mktemp("kernels")).fused(render(plan)))
    slots, times = np.arange(_RECORDS) % _SERIES, np.arange(_RECORDS) * 1_000_000_000
    return scoring.process(slots, np.zeros(_RECORDS, np.uint8), times, _values(), np.empty((_RECORDS, 0)), _SERIES)


def _plain(series: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores and severities of one series by the detector's functions and a calibrator for each of them."""
    values = _values()[series::_SERIES]
    layout = JOINT_PROFILE.layout(_OPTIONS, 2)
    scores = np.empty((len(values), len(_FACETS)))
    for row, given in zip(values, scores, strict=True):
        JOINT_PROFILE.score(layout.initial[0], layout.params[0], row, 0, given)
        JOINT_PROFILE.learn(layout.initial[0], layout.params[0], row, 0)
    severities: list[list[float]] = []
    for facet in scores.T.tolist():
        calibrator, column = calibrator_layout(_GATED), list[float]()
        state: Any = calibrator.initial[0]
        for score in facet:
            position = position_of(score)
            column.append(severity(state, calibrator.params[0], position))
            learn_score(state, calibrator.params[0], position, column[-1])
        severities.append(column)
    return scores, np.array(severities).T


@pytest.mark.parametrize("series", range(_SERIES))
def test_every_facet_is_calibrated_by_itself(outcomes: Outcomes, series: int) -> None:
    """Scores and severities are those of the detector alone, in its columns."""
    scores, severities = _plain(series)
    np.testing.assert_array_equal(outcomes.score[series::_SERIES, 1:7], scores)
    np.testing.assert_array_equal(outcomes.severity[series::_SERIES, 1:7], severities)


def test_its_contributions_count_by_the_weight_of_its_channel(outcomes: Outcomes) -> None:
    """Where it decides, they sum to the evidence; half of what exceeds the soft threshold, up to the cap."""
    decided = outcomes.contribution[:, 1:7].any(axis=1)
    assert decided.sum() >= 20
    expected = 0.5 * np.clip(np.nan_to_num(outcomes.severity[decided, 1:7]) - 1.0, 0.0, 5.0)
    np.testing.assert_allclose(outcomes.contribution[decided, 1:7], expected)
    np.testing.assert_allclose(outcomes.evidence[decided], expected.sum(axis=1))
    assert not outcomes.contribution[decided][:, [0, 7]].any()
    assert (outcomes.level[1_990:2_080] > 0).any()


def test_the_ranking_score_sums_up_everything(outcomes: Outcomes) -> None:
    """Every channel by what it counts there, decided or not, and a hundredth of all severities."""
    known = np.nan_to_num(outcomes.severity)
    gains = np.clip(known - 1.0, 0.0, 5.0)
    expected = gains[:, [0, 7]].sum(axis=1) + 3.0 * 0.5 * gains[:, 1:7].sum(axis=1) + 0.01 * known.sum(axis=1)
    expected[np.isnan(outcomes.severity).all(axis=1)] = np.nan
    np.testing.assert_allclose(outcomes.ranking_score, expected, rtol=1e-12)
    assert np.isnan(outcomes.ranking_score).any()


def test_what_lasts_is_learned_slowly() -> None:
    """Behind a gate a level that lasts for 80 records is rare to the end; without one it soon is not."""
    gated, plain = (_last_of_a_shift(CalibrationOptions(warm_up=100, gate=gate)) for gate in (2.0, None))
    assert gated > 3.0
    assert plain < 2.5


def _last_of_a_shift(options: CalibrationOptions) -> float:
    calibrator = calibrator_layout(options)
    state: Any = calibrator.initial[0]
    scores = np.abs(np.random.default_rng(2).normal(size=1_080))
    scores[1_000:] += 9.0
    last = 0.0
    for score in scores.tolist():
        last = severity(state, calibrator.params[0], position_of(score))
        learn_score(state, calibrator.params[0], position_of(score), last)
    return last
