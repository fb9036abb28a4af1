"""Parts that alert by themselves: a flow with one judges as two flows would, one with each side of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.adaptive_jump import ADAPTIVE_JUMP, AdaptiveJumpOptions
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.kernel import render
from pynomaly.domain.outcome import Outcomes, Reason
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

_Z = Part("z", NativeSource(EW_ZSCORE, EwZScoreOptions()), (0,), CalibrationOptions(warm_up=100))
_POLICY = AlertPolicyOptions(watch=1.0, warning=2.0, critical=3.0, bump=3.0, bump_half_life=5.0, habituation=0.3)
_OWN = Channel(CombinationOptions(soft_threshold=0.0, cap=100.0), policy=_POLICY)
_JUMP = Part("jump", NativeSource(ADAPTIVE_JUMP, AdaptiveJumpOptions(bar=15.0, gate=False)), (0,), channel=_OWN)
_COMMON = Channel(
    persistence=PersistenceOptions(hits=1, of=1),
    policy=AlertPolicyOptions(watch=1.0, warning=1.8, critical=3.5, bump=2.0, habituation=0.0, sampling_slope=0.5),
)
_MINUTE_NS = 60_000_000_000
_RECORDS = 6_000


def _values() -> NDArray[np.float64]:
    """Return noise with spikes, which jump, and with smooth waves, which do not."""
    rng = np.random.default_rng(21)
    rows = np.arange(_RECORDS)
    values = 50.0 + rng.normal(0.0, 0.2, _RECORDS)
    for middle in range(700, _RECORDS, 900):
        values += 6.0 * np.exp(-(((rows - middle) / 25.0) ** 2))
    spikes = rng.random(_RECORDS) < 0.01
    values[spikes] += rng.normal(0.0, 3.0, int(spikes.sum()))
    return values


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    """Return what the joint flow says, and what one with each side says."""
    folder = tmp_path_factory.mktemp("kernels")
    plans = {"both": (_Z, _JUMP), "common": (_Z,), "own": (_JUMP,)}
    return {name: _judged(parts, folder) for name, parts in plans.items()}


def _judged(parts: tuple[Part, ...], folder: Path) -> Outcomes:
    plan = ScoringPlan(("value",), parts, _COMMON)
    scoring = Scoring(plan, KernelLibrary(folder).fused(render(plan)))
    times = 1_700_000_000_000_000_000 + _MINUTE_NS * np.arange(_RECORDS)
    none = np.zeros(_RECORDS, np.uint8)
    slots = np.zeros(_RECORDS, np.int64)
    return scoring.process(slots, none, times, _values()[:, np.newaxis], np.empty((_RECORDS, 0)), 1)


def test_the_higher_level_is_the_records(judged: dict[str, Outcomes]) -> None:
    """Both sides alert as they do alone; the record has the higher level."""
    expected = np.maximum(judged["common"].level, judged["own"].level)
    assert judged["both"].level.tolist() == expected.tolist()
    assert (judged["own"].level > judged["common"].level).sum() >= 10
    assert (judged["common"].level > judged["own"].level).sum() >= 3


def test_the_verdict_is_of_the_side_that_decided(judged: dict[str, Outcomes]) -> None:
    """Reason, evidence, bar and contributions are those of one side, of the common one where neither is higher."""
    both, common, own = judged["both"], judged["common"], judged["own"]
    higher = own.level > common.level
    only_one = (own.level + common.level == 0) & (common.reason == Reason.BELOW_THRESHOLD)
    only_one &= (own.reason == Reason.IN_REFRACTORY) | (own.reason == Reason.NOT_PERSISTENT)
    takes = higher | only_one | np.isnan(common.evidence)
    judged_at_all = ~np.isnan(common.evidence) | ~np.isnan(own.evidence)
    for name in ("reason", "evidence", "bar"):
        expected = np.where(takes, getattr(own, name), getattr(common, name))
        np.testing.assert_array_equal(getattr(both, name)[judged_at_all], expected[judged_at_all], name)
    sums = both.contribution.sum(axis=1)
    np.testing.assert_allclose(sums[judged_at_all], both.evidence[judged_at_all], rtol=1e-12)
    assert not both.contribution[~takes, 1].any()
    assert higher.any()
    assert only_one.any()


def test_evidence_of_its_own_is_the_score(judged: dict[str, Outcomes]) -> None:
    """No soft threshold and no calibrator stand between, and 100 is the most."""
    own = judged["own"]
    known = ~np.isnan(own.evidence)
    np.testing.assert_array_equal(own.evidence[known], np.minimum(own.score[known, 0], 100.0))


def test_bars_follow_the_sampling(judged: dict[str, Outcomes]) -> None:
    """At one record a minute the common bar is higher by 0.5 * log10(5), from the 65th record on; the own is not."""
    low = judged["common"].reason == Reason.BELOW_THRESHOLD
    np.testing.assert_allclose(judged["common"].bar[low], 1.0 + 0.5 * np.log10(5.0), rtol=1e-6)
    low = judged["own"].reason == Reason.BELOW_THRESHOLD
    assert set(judged["own"].bar[low]) == {1.0}


def test_a_part_has_levels_of_its_own() -> None:
    """A part whose policy knows no warning never warns."""
    quiet = replace(_JUMP, channel=replace(_OWN, policy=replace(_POLICY, warning=None, critical=None)))
    channels = ScoringPlan(("value",), (_Z, quiet), _COMMON).channels
    assert [channel.policy.warning for channel in channels] == [1.8, None]
