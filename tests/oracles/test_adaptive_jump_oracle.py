"""The jump as evidence: what it is of `jump`, and for which series it counts."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors.adaptive_jump import ADAPTIVE_JUMP, AdaptiveJumpOptions
from pynomaly.domain.detectors.jump import JUMP, JumpOptions
from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.option import Options

_MINUTE_NS = 60_000_000_000
_GAPS = 64
_RECORDS = 2_600


def _scores(detector: Detector, options: Options, values: NDArray[np.float64], step_ns: int) -> NDArray[np.float64]:
    layout = detector.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    scores = np.empty(len(values))
    for i, x in enumerate(values.tolist()):
        scores[i] = detector.score(state, params, x, (i + 1) * step_ns)
        detector.learn(state, params, x, (i + 1) * step_ns)
    return scores


def _walk() -> NDArray[np.float64]:
    """A mean-reverting walk: neighbours correlate by 0.95, steps are normal."""
    steps = np.random.default_rng(5).normal(size=_RECORDS)
    walk = np.zeros(_RECORDS)
    for i in range(1, _RECORDS):
        walk[i] = 0.95 * walk[i - 1] + steps[i]
    return 100.0 + walk


def _noise() -> NDArray[np.float64]:
    return np.random.default_rng(6).normal(100.0, 1.0, _RECORDS)


def _heavy_tailed() -> NDArray[np.float64]:
    """A walk whose steps are now and then 15 times as large."""
    rng = np.random.default_rng(7)
    return np.cumsum(rng.normal(size=_RECORDS) * np.where(rng.random(_RECORDS) < 0.02, 15.0, 1.0))


def _mostly_still() -> NDArray[np.float64]:
    steps = np.random.default_rng(8).normal(size=_RECORDS)
    return np.cumsum(np.where(np.arange(_RECORDS) % 20 == 0, steps, 0.0))


def _corrupt() -> NDArray[np.float64]:
    values = _walk()
    values[1_234] = 1e300
    return values


@pytest.mark.parametrize(
    ("values", "smooth"),
    [(_walk, True), (_noise, False), (_heavy_tailed, False), (_mostly_still, False), (_corrupt, True)],
)
def test_which_slow_series_count(values: Callable[[], NDArray[np.float64]], smooth: bool) -> None:  # noqa: FBT001 - a row
    """Sampled every five minutes, a series counts from record 2,000 on, by a third more, if it is smooth."""
    jumps = _scores(JUMP, JumpOptions(), values(), 5 * _MINUTE_NS)
    found = _scores(ADAPTIVE_JUMP, AdaptiveJumpOptions(), values(), 5 * _MINUTE_NS)
    from_gate = np.where(np.arange(_RECORDS) < 2_000, 0.0, 1.0 if smooth else 0.0)
    np.testing.assert_allclose(found, jumps * from_gate * 2.3 / 6.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("step_ns", "gate", "from_record", "bar"),
    [
        (_MINUTE_NS, True, _GAPS + 1, 8.0),
        (2 * _MINUTE_NS, True, _GAPS + 1, 8.0),
        (0, True, _RECORDS, inf),
        (0, False, 0, 8.0),
    ],
)
def test_what_counts_at_which_sampling(step_ns: int, gate: bool, from_record: int, bar: float) -> None:  # noqa: FBT001
    """Often sampled noise counts as soon as its interval is known; without a clock only what the gate lets through."""
    jumps = _scores(JUMP, JumpOptions(), _noise(), step_ns)
    found = _scores(ADAPTIVE_JUMP, AdaptiveJumpOptions(gate=gate), _noise(), step_ns)
    counts = np.where(np.arange(_RECORDS) < from_record, 0.0, 1.0)
    np.testing.assert_allclose(found, jumps * counts * 2.3 / bar, rtol=1e-12)
