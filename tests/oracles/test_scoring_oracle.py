"""The fused kernel against a slow, plain account of the same rules, on several parts, fields and series at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, log1p, nan, sqrt
from pathlib import Path

import numpy as np
import pytest

from pynomaly.domain.alert_policy import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout, learn_score, position_of, severity
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.kernel import render
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.outcome import Outcomes, Reason
from pynomaly.domain.plan import NativeSource, Part, ScoringPlan
from pynomaly.domain.scoring import Scoring
from pynomaly.infrastructure.kernels import KernelLibrary

_CALIBRATION = CalibrationOptions(half_life=500.0, warm_up=30)
_SHORT = EwZScoreOptions(half_life=20.0, warm_up=5)
_LONG = EwZScoreOptions(half_life=200.0, warm_up=10)
_PLAN = ScoringPlan(
    fields=("load", "heat"),
    parts=(
        Part("short", NativeSource(EW_ZSCORE, _SHORT), (0,), _CALIBRATION, direction="above"),
        Part("long", NativeSource(EW_ZSCORE, _LONG), (1,), _CALIBRATION, minimum_absolute=2.0, minimum_relative=0.05),
        Part("kept", NativeSource(EW_ZSCORE, _LONG), (0,), _CALIBRATION, guard=GuardOptions(severity=2.0, patience=5)),
    ),
    common=Channel(
        CombinationOptions(soft_threshold=1.0, cap=4.0),
        PersistenceOptions(hits=2, of=4),
        AlertPolicyOptions(
            watch=0.8, warning=1.5, critical=3.0, bump=2.0, bump_half_life=10.0, habituation=0.5, habituation_from=50
        ),
    ),
)


@dataclass
class _PlainZScore:
    options: EwZScoreOptions
    mean: float = 0.0
    variance: float = 0.0
    count: int = 0

    def score(self, x: float) -> float:
        if self.count < self.options.warm_up:
            return nan
        return abs(x - self.mean) / sqrt(self.variance)

    def learn(self, x: float) -> None:
        self.count += 1
        weight = max(1 - 0.5 ** (1 / self.options.half_life), 1 / self.count)
        deviation = x - self.mean
        self.mean += weight * deviation
        self.variance = (1 - weight) * (self.variance + weight * deviation**2)


@dataclass
class _PlainSeries:
    """What one series remembers, in ordinary objects; only the calibrator is the real one (it has its own oracle)."""

    detectors: list[_PlainZScore] = field(default_factory=lambda: [_PlainZScore(o) for o in (_SHORT, _LONG, _LONG)])
    calibrators: list[np.ndarray] = field(
        default_factory=lambda: [calibrator_layout(_CALIBRATION).initial.copy() for _ in range(3)]
    )
    evidence: list[float] = field(default_factory=list)
    alerts: dict[int, list[int]] = field(default_factory=lambda: {0: [], 1: [], 2: []})
    unlearned: int = 0

    def judge(self, x: np.ndarray) -> tuple[Reason, int, float]:
        values = (x[0], x[1], x[0])
        params = calibrator_layout(_CALIBRATION).params[0]
        scores = [detector.score(value) for detector, value in zip(self.detectors, values, strict=True)]
        severities = [
            severity(c[0], params, position_of(score)) for c, score in zip(self.calibrators, scores, strict=True)
        ]
        reason, level, evidence = self._verdict(values, scores, severities)
        self._learn(values, scores, severities)
        return reason, level, evidence

    def _verdict(
        self, values: tuple[float, ...], scores: list[float], severities: list[float]
    ) -> tuple[Reason, int, float]:
        if all(isnan(s) for s in severities):
            self.evidence.append(0.0)
            warming = all(isnan(s) for s in scores)
            return (Reason.DETECTOR_WARMING if warming else Reason.CALIBRATOR_WARMING), 0, nan
        gains = [0.0 if isnan(s) else min(max(s - 1.0, 0.0), 4.0) for s in severities]
        wrong_side = gains[0] > 0 and values[0] < self.detectors[0].mean
        size, usual = abs(values[1] - self.detectors[1].mean), abs(self.detectors[1].mean)
        too_small = gains[1] > 0 and (size < 2.0 or size < 0.05 * usual)
        counted = (0.0 if wrong_side else gains[0]) + (0.0 if too_small else gains[1]) + gains[2]
        self.evidence.append(counted)
        reason, level = self._levels(counted)
        if reason == Reason.BELOW_THRESHOLD and sum(gains) >= 0.8 and (wrong_side or too_small):
            reason = Reason.WRONG_DIRECTION if wrong_side else Reason.BELOW_MINIMUM_DEVIATION
        return reason, level, counted

    def _levels(self, evidence: float) -> tuple[Reason, int]:
        now, fired, persists = len(self.evidence), 0, False
        if evidence < 0.8:
            return Reason.BELOW_THRESHOLD, 0
        for level, threshold in enumerate((0.8, 1.5, 3.0)):
            if evidence < threshold or sum(e >= threshold for e in self.evidence[-4:]) < 2:
                continue
            persists = True
            past = sum(0.5 ** ((now - then) / 10_000) for then in self.alerts[level] if then > 50)
            bump = 2.0 * 0.5 ** ((now - self.alerts[level][-1]) / 10) if self.alerts[level] else 0.0
            if evidence >= threshold + 0.5 * log1p(past) + bump:
                fired = level + 1
        for level in range(fired):
            self.alerts[level].append(now)
        if fired:
            return Reason.ALERTED, fired
        return (Reason.IN_REFRACTORY if persists else Reason.NOT_PERSISTENT), 0

    def _learn(self, values: tuple[float, ...], scores: list[float], severities: list[float]) -> None:
        params = calibrator_layout(_CALIBRATION).params[0]
        self.unlearned = self.unlearned + 1 if severities[2] >= 2.0 else 0
        may = (True, True, self.unlearned == 0 or self.unlearned > 5)
        for detector, calibrator, value, score, learns in zip(
            self.detectors, self.calibrators, values, scores, may, strict=True
        ):
            if learns:
                detector.learn(value)
            learn_score(calibrator[0], params, position_of(score), 0.0)


def _records(seed: int, records: int, series: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    slot = random.integers(0, series, records)
    values = random.normal((50.0, 100.0), (5.0, 2.0), (records, 2))
    spikes = random.random(records) < 0.03
    values[spikes] += random.normal(0.0, 40.0, (int(spikes.sum()), 2))
    return slot, values


def _fused(slot: np.ndarray, values: np.ndarray, folder: Path) -> Outcomes:
    scoring = Scoring(_PLAN, KernelLibrary(folder).fused(render(_PLAN)))
    nothing = np.zeros(len(slot), np.uint8)
    times = np.zeros(len(slot), np.int64)
    return scoring.process(slot, nothing, times, values, np.empty((len(slot), 0)), int(slot.max()) + 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fused_kernel_keeps_the_plain_rules(seed: int, tmp_path: Path) -> None:
    """Reasons and levels are equal and evidence agrees, record by record."""
    slot, values = _records(seed, 4_000, 7)
    outcomes = _fused(slot, values, tmp_path)
    plain = [_PlainSeries() for _ in range(7)]
    expected = [plain[s].judge(x) for s, x in zip(slot, values, strict=True)]
    assert [Reason(int(r)) for r in outcomes.reason] == [reason for reason, _, _ in expected]
    assert outcomes.level.tolist() == [level for _, level, _ in expected]
    np.testing.assert_allclose(outcomes.evidence, [evidence for _, _, evidence in expected], rtol=1e-9)
    assert {Reason(int(r)) for r in outcomes.reason} >= {
        Reason.ALERTED,
        Reason.IN_REFRACTORY,
        Reason.NOT_PERSISTENT,
        Reason.WRONG_DIRECTION,
        Reason.BELOW_MINIMUM_DEVIATION,
    }


def test_contributions_sum_to_the_evidence(tmp_path: Path) -> None:
    """What the parts added is what was compared."""
    slot, values = _records(4, 3_000, 3)
    outcomes = _fused(slot, values, tmp_path)
    known = ~np.isnan(outcomes.evidence)
    np.testing.assert_allclose(outcomes.contribution[known].sum(axis=1), outcomes.evidence[known], rtol=1e-12)
    assert not outcomes.contribution[~known].any()
