"""The verdict rules, one example each, worked out by hand from the module's formulas."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from pynomaly.domain.alert_policy import AlertPolicyOptions, PersistenceOptions
from pynomaly.domain.decision import Channel, contribution, held_back, judge, series_dtype
from pynomaly.domain.detectors.seam import row
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Level, Reason

_QUIET = 0.5


class _Series:
    """One series, fed with evidence record by record."""

    def __init__(self, policy: AlertPolicyOptions, persistence: PersistenceOptions | None = None) -> None:
        self.rows = np.zeros(1, series_dtype(0))
        self.rules = Channel(persistence=persistence or PersistenceOptions(), policy=policy).rules()

    def judge(self, evidence: float) -> tuple[Reason, Level, float]:
        self.rows[0]["rows"] += 1
        reason, level, bar = judge(self.rows[0], self.rules[0], evidence, 0, 0.0)
        return Reason(reason), Level(level), bar


def _policy(**changes: float | None) -> AlertPolicyOptions:
    plain: dict[str, float | int | None] = {"bump": 0.0, "habituation": 0.0, "warning": None, "critical": None}
    return AlertPolicyOptions(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("severity", "expected"), [(0.0, 0.0), (1.0, 0.0), (1.5, 0.5), (6.0, 5.0), (60.0, 5.0), (float("nan"), 0.0)]
)
def test_contribution_is_soft_and_capped(severity: float, expected: float) -> None:
    """A severity counts from 1 on, by 5 at the most; an unknown one not at all."""
    rules = Channel().rules()
    assert contribution(rules[0], severity) == expected


@pytest.mark.parametrize(
    ("direction", "absolute", "relative", "x", "expected", "held"),
    [
        (0, 0.0, 0.0, 9.0, 10.0, 0),
        (1, 0.0, 0.0, 9.0, 10.0, Reason.WRONG_DIRECTION),
        (1, 0.0, 0.0, 11.0, 10.0, 0),
        (-1, 0.0, 0.0, 11.0, 10.0, Reason.WRONG_DIRECTION),
        (0, 2.0, 0.0, 11.0, 10.0, Reason.BELOW_MINIMUM_DEVIATION),
        (0, 1.0, 0.0, 11.0, 10.0, 0),
        (0, 0.0, 0.2, 11.0, -10.0, 0),
        (0, 0.0, 0.2, -11.0, -10.0, Reason.BELOW_MINIMUM_DEVIATION),
        (1, 5.0, 0.0, 9.0, 10.0, Reason.WRONG_DIRECTION),
        (1, 5.0, 0.5, 9.0, float("nan"), 0),
    ],
)
def test_held_back(direction: int, absolute: float, relative: float, x: float, expected: float, held: int) -> None:
    """Direction is judged before size; where nothing is expected, nothing is held back."""
    rules = row(
        direction=direction,
        minimum_absolute=absolute,
        minimum_relative=relative,
        guard_severity=np.inf,
        guard_patience=0,
    )
    assert held_back(rules[0], x, expected) == held


def test_levels_are_reached_in_turn() -> None:
    """The highest level whose bar is reached names the alert."""
    series = _Series(_policy(watch=2.0, warning=4.0, critical=6.0))
    verdicts = [series.judge(evidence)[:2] for evidence in (1.9, 2.0, 4.5, 6.0)]
    assert verdicts == [
        (Reason.BELOW_THRESHOLD, Level.NONE),
        (Reason.ALERTED, Level.WATCH),
        (Reason.ALERTED, Level.WARNING),
        (Reason.ALERTED, Level.CRITICAL),
    ]


def test_bump_is_a_soft_refractory() -> None:
    """After an alert the bar is 8 higher and half of that after one half-life; a far stronger event gets out."""
    series = _Series(_policy(watch=2.0, bump=8.0, bump_half_life=1.0))
    assert series.judge(3.0) == (Reason.ALERTED, Level.WATCH, 2.0)
    assert series.judge(3.0) == (Reason.IN_REFRACTORY, Level.NONE, 6.0)
    assert series.judge(5.0) == (Reason.ALERTED, Level.WATCH, 4.0)
    assert series.judge(7.0) == (Reason.ALERTED, Level.WATCH, 6.0)


def test_escalation_alerts_anew() -> None:
    """Every level has its own refractory; an alert counts at the levels below it too."""
    series = _Series(_policy(watch=2.0, warning=4.0, bump=8.0, bump_half_life=1.0))
    assert series.judge(3.0)[1] == Level.WATCH
    assert series.judge(5.0)[:2] == (Reason.ALERTED, Level.WARNING)
    assert series.judge(5.0) == (Reason.IN_REFRACTORY, Level.NONE, 8.0)


def test_habituation_raises_the_bar_with_each_alert() -> None:
    """The bar grows by habituation * ln(1 + past alerts), from the stated record on."""
    series = _Series(_policy(watch=2.0, habituation=1.0, habituation_half_life=1e9, habituation_from=2))
    bars = [series.judge(9.0)[2] for _ in range(5)]
    assert bars == pytest.approx([2.0, 2.0, 2.0, 2.0 + log(2), 2.0 + log(3)], abs=1e-6)


def test_persistence_counts_the_last_records() -> None:
    """Two of the last three records must reach the threshold."""
    series = _Series(_policy(watch=2.0), PersistenceOptions(hits=2, of=3))
    reasons = [series.judge(evidence)[0] for evidence in (3.0, _QUIET, 3.0, _QUIET, _QUIET, 3.0)]
    assert reasons == [
        Reason.NOT_PERSISTENT,
        Reason.BELOW_THRESHOLD,
        Reason.ALERTED,
        Reason.BELOW_THRESHOLD,
        Reason.BELOW_THRESHOLD,
        Reason.NOT_PERSISTENT,
    ]


def test_persistence_looks_back_at_most_64_records() -> None:
    """A hit 64 or more records ago has left the memory, however long ago that is."""
    for gap, reason in ((62, Reason.ALERTED), (63, Reason.NOT_PERSISTENT), (64, Reason.NOT_PERSISTENT), (200, None)):
        series = _Series(_policy(watch=2.0), PersistenceOptions(hits=2, of=64))
        series.judge(3.0)
        for _ in range(gap):
            series.judge(_QUIET)
        assert series.judge(3.0)[0] == (reason or Reason.NOT_PERSISTENT), gap


def test_options_out_of_range_are_all_named() -> None:
    """An impossible policy is refused with every fault."""
    with pytest.raises(ConfigError) as caught:
        AlertPolicyOptions(bump=-1.0, habituation_half_life=0.0)
    assert [problem.path for problem in caught.value.problems] == ["bump", "habituation_half_life"]
    assert caught.value.problems[0].rule == "must be between 0 and 1e+06, was -1.0"
