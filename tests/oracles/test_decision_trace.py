"""Decisions taken apart against the fused kernel, record by record, on random and on real data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cached_kernels import LIBRARY
from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.bootstrap import plan_of
from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.detectors.joint_profile import JOINT_PROFILE, JointProfileOptions
from pynomaly.domain.kernel import render
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.outcome import Outcomes, Reason
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.domain.trace import DecisionTrace, Moment, ScoredRows, trace
from pynomaly_connectors.datasets import dataset_path

_CALIBRATION = CalibrationOptions(half_life=500.0, warm_up=30)
_SHORT = NativeSource(EW_ZSCORE, EwZScoreOptions(half_life=20.0, warm_up=5))
_LONG = NativeSource(EW_ZSCORE, EwZScoreOptions(half_life=200.0, warm_up=10))
_MINUTE_NS = 60_000_000_000
_LEVELS = {"watch": 0.8, "warning": 1.5, "critical": 3.0}


def _alerting_by_itself() -> Part:
    """Return a part with levels of its own, as a flow has it."""
    table = {"kind": "memory", "topic": "table"}
    spec = adhoc_flow(table, Columns(("load", "heat")), ("adaptive_jump:fields=load,bar=15,gate=false",), _LEVELS)
    (part,) = plan_of(spec).scoring.parts
    return part


_JOINT = NativeSource(JOINT_PROFILE, JointProfileOptions(horizon=256, scale_records=20))
_FACETS = tuple(
    Part(f"joint.{name}", _JOINT, (0, 1), replace(_CALIBRATION, gate=2.0), channel=JOINT_PROFILE.channel, facet=facet)
    for facet, name in enumerate(JOINT_PROFILE.facets)
)
_GUARD = GuardOptions(severity=2.0, patience=5)
_RULES = ScoringPlan(
    fields=("load", "heat"),
    parts=(
        Part("short", _SHORT, (0,), _CALIBRATION, direction="above"),
        Part("long", _LONG, (1,), _CALIBRATION, minimum_absolute=2.0, minimum_relative=0.05),
        Part("kept", _LONG, (0,), _CALIBRATION, guard=_GUARD),
        _alerting_by_itself(),
        *_FACETS,
    ),
    common=Channel(
        CombinationOptions(soft_threshold=1.0, cap=4.0),
        PersistenceOptions(hits=2, of=4),
        AlertPolicyOptions(watch=0.8, warning=1.5, critical=None, bump=2.0, bump_half_life=10.0, sampling_slope=0.5),
    ),
)


@dataclass(frozen=True)
class _Judged:
    """Records of several series, what the kernel said of them in one go, and each decision taken apart."""

    slot: NDArray[np.int64]
    outcomes: Outcomes
    traces: tuple[DecisionTrace, ...]


def _judged(plan: ScoringPlan, slot: NDArray[np.int64], time_ns: NDArray[np.int64], values: np.ndarray) -> _Judged:
    kernel, series = LIBRARY.fused(render(plan)), int(slot.max()) + 1
    nothing, external = np.zeros(len(slot), np.uint8), np.empty((len(slot), 0))
    rows = ScoredRows(np.arange(len(slot)), time_ns, slot, nothing, values, external, [])
    outcomes = Scoring(plan, kernel).process(slot, nothing, time_ns, values, external, series)
    return _Judged(slot, outcomes, tuple(_traces(Scoring(plan, kernel), rows)))


def _traces(scoring: Scoring, rows: ScoredRows) -> Iterator[DecisionTrace]:
    """Take every decision apart; batches of 7 let most records have others of their batch before them."""
    cached = cache(LIBRARY.entry)
    for start in range(0, len(rows.slot), 7):
        part = slice(start, start + 7)
        batch = ScoredRows(*(getattr(rows, name)[part] for name in ScoredRows.__slots__))
        yield from (trace(Moment.before(batch, row, scoring), cached) for row in range(len(batch.slot)))
        columns = (batch.slot, batch.refusal, batch.time_ns, batch.values, batch.external)
        scoring.process(*columns, int(rows.slot.max()) + 1)


@pytest.fixture(scope="module")
def random_records() -> _Judged:
    """Return noise with bursts in five series that are sampled every minute, under every rule there is."""
    random = np.random.default_rng(5)
    slot = np.arange(3_000) % 5
    values = random.normal((50.0, 100.0), (5.0, 0.5), (3_000, 2))
    spikes = random.random(3_000) < 0.02
    spikes |= np.roll(spikes, 5)  # the next record of the series too
    values[spikes] += random.normal(0.0, 40.0, (int(spikes.sum()), 2))
    values[random.random(3_000) < 0.02, 1] += 4.0  # far, and less than the rule of `long` minds
    times = 1_700_000_000_000_000_000 + np.arange(3_000) * (_MINUTE_NS // 5)
    return _judged(_RULES, slot, times, values)


@pytest.fixture(scope="module")
def real_records() -> _Judged:
    """Return two months of water flow, judged by all parts of the default detector, those with several scores too."""
    lines = [line.split(",") for line in dataset_path("water_flow").read_text().splitlines()[1:]]
    times = np.array([int(datetime.fromisoformat(time).timestamp()) * 1_000_000_000 for time, _ in lines])
    values = np.array([[float(value)] for _, value in lines])
    columns = Columns(("value",), "time")
    plan = plan_of(adhoc_flow({"kind": "memory", "topic": "water"}, columns, ("auto:tier=deep",))).scoring
    assert any(part.facet > 0 for part in plan.parts)
    return _judged(plan, np.zeros(len(values), np.int64), times, values)


@pytest.fixture(params=["random_records", "real_records"])
def judged(request: pytest.FixtureRequest) -> _Judged:
    """Return each of them."""
    found: _Judged = request.getfixturevalue(request.param)
    return found


def test_the_verdict_is_the_kernels(judged: _Judged) -> None:
    """Reason, level, evidence, bar and contributions are equal to the last bit."""
    outcomes, traces = judged.outcomes, judged.traces
    assert [found.reason for found in traces] == [Reason(int(reason)) for reason in outcomes.reason]
    assert [found.level for found in traces] == outcomes.level.tolist()
    np.testing.assert_array_equal([found.evidence for found in traces], outcomes.evidence)
    np.testing.assert_array_equal([found.bar for found in traces], outcomes.bar)
    counted = [[part.contribution if part in found.fired else 0.0 for part in found.parts] for found in traces]
    np.testing.assert_array_equal(counted, outcomes.contribution)
    severities = [[part.severity for part in found.parts] for found in traces]
    np.testing.assert_array_equal(severities, outcomes.severity)


def test_the_levels_tell_the_verdict(judged: _Judged) -> None:
    """The highest level that fires is the record's; its bar is the sum of what is told."""
    fired = 0
    for found in judged.traces:
        levels = [level for channel in found.channels for level in channel.levels if channel.reason is not None]
        assert found.level == max((level.level for level in levels if level.fires), default=0)
        for level in levels:
            told = level.threshold + level.sampling + level.habituation + level.bump
            assert level.bar == pytest.approx(told, rel=1e-12)
            assert not level.fires or found.reason is Reason.ALERTED
        fired += found.level > 0
    assert fired >= 2


def test_every_rule_was_met(random_records: _Judged) -> None:
    """The random records show each reason for which a record does or does not alert."""
    assert {found.reason for found in random_records.traces} >= {
        Reason.ALERTED,
        Reason.BELOW_THRESHOLD,
        Reason.IN_REFRACTORY,
        Reason.NOT_PERSISTENT,
        Reason.WRONG_DIRECTION,
        Reason.BELOW_MINIMUM_DEVIATION,
        Reason.DETECTOR_WARMING,
        Reason.CALIBRATOR_WARMING,
    }
    assert {found.judged for found in random_records.traces} == {None, 0, 1, 2}
    assert any(part.kept_from_learning for found in random_records.traces for part in found.parts)
    assert any(level.sampling > 0 for found in random_records.traces for level in found.channels[0].levels)


def test_an_alert_is_remembered(random_records: _Judged) -> None:
    """How long the last alert is ago, and how many hits there were, is what the outcomes before say."""
    outcomes, slot = random_records.outcomes, random_records.slot
    checked = 0
    for row, found in enumerate(random_records.traces):
        own = np.flatnonzero(slot[: row + 1] == slot[row])
        watch = found.channels[1].levels[0]
        alerts = [place for place, at in enumerate(own[:-1]) if random_records.traces[at].channels[1].level > 0]
        assert watch.since_alert == (len(own) - 1 - alerts[-1] if alerts else None)
        hits = [random_records.traces[at].channels[0].evidence >= 0.8 + 0.5 * np.log10(5) for at in own[-4:]]
        if found.channels[0].levels[0].sampling > 0 and len(own) > 70:
            assert found.channels[0].levels[0].hits == sum(hits)
            checked += 1
    assert checked > 1_000
    assert len(outcomes) == len(random_records.traces)
