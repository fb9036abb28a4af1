"""SPOT and DSPOT against plain NumPy over all scores so far."""

from __future__ import annotations

from math import ceil, inf, isnan, log, log10

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.calibration import CalibrationOptions, position_of
from pynomaly.domain.calibrator import CALIBRATORS, layout_of

_RECORDS = 6_000
_KEPT, _PRIOR_PEAKS, _PRIOR_EXCESS = 256, 3.0, 0.08


def _plain_severity(past: NDArray[np.float64], position: float, options: CalibrationOptions) -> float:
    """Return -log10 of the tail probability of one logarithm after those of the past."""
    first = max(options.warm_up, ceil(10 / (1 - options.quantile)))
    if len(past) < first:
        return float("nan")
    threshold = np.sort(past[:first])[::-1][ceil((1 - options.quantile) * first - 1e-9)]
    above = np.concatenate([np.sort(past[:first])[::-1], past[first:]])
    excesses = above[above > threshold] - threshold
    if position <= threshold:
        return 0.0
    kept = excesses[-_KEPT:]
    weight = len(kept) + _PRIOR_PEAKS
    mean = (kept.sum() + _PRIOR_PEAKS * _PRIOR_EXCESS) / weight
    variance = ((kept**2).sum() + _PRIOR_PEAKS * 2 * _PRIOR_EXCESS**2) / weight - mean**2
    shape = float(np.clip((1 - mean**2 / variance) / 2, -0.5, 0.45))
    base = max(1 + shape * (position - threshold) / (mean * (1 - shape)), 1e-8)
    return -log10(len(excesses) / len(past)) + log10(base) / shape


def _series(kind: str) -> NDArray[np.float64]:
    rng = np.random.default_rng(5)
    scores = {
        "normal": abs(rng.normal(size=_RECORDS)),
        "heavy": rng.pareto(1.5, _RECORDS),
        "uniform": rng.random(_RECORDS),
        "growing": abs(rng.normal(size=_RECORDS)) * np.linspace(1.0, 3.0, _RECORDS),
        "enormous": 1e290 * rng.pareto(1.5, _RECORDS),
    }
    return scores[kind]


@pytest.mark.parametrize("method", ["spot", "dspot"])
@pytest.mark.parametrize("kind", ["normal", "heavy", "uniform", "growing", "enormous"])
def test_equals_the_plain_account(method: str, kind: str) -> None:
    """Severities of the next score and of far ones follow from all scores so far, looked at together."""
    options = CalibrationOptions(method=method, quantile=0.95, drift_window=50)  # type: ignore[arg-type]
    calibrator, layout = CALIBRATORS[method], layout_of(options)
    state, params = layout.initial[0], layout.params[0]
    logs, seen = [log(score + 1e-12) for score in _series(kind).tolist()], list[float]()
    for i, position in enumerate(logs):
        drifts = method == "dspot"
        level = float(np.mean(logs[max(i - 50, 0) : i])) if drifts and i else 0.0
        if i % 50 == 0:
            past = np.array(seen)
            for asked in (position, position + 0.5, position + 5.0):
                found, plain = calibrator.severity(state, params, asked), _plain_severity(past, asked - level, options)
                assert found == pytest.approx(plain, rel=1e-6, abs=1e-6, nan_ok=True)
        calibrator.learn(state, params, position, 0.0)
        if not drifts or i >= 50:
            seen.append(position - level)


@pytest.mark.parametrize("method", ["spot", "dspot"])
def test_what_is_unknown_or_beyond_the_gate_is_not_learned(method: str) -> None:
    """NaN and gated scores leave the state as it was."""
    options = CalibrationOptions(method=method, gate=3.0)  # type: ignore[arg-type]
    calibrator, layout = CALIBRATORS[method], layout_of(options)
    before = layout.initial.tobytes()
    calibrator.learn(layout.initial[0], layout.params[0], float("nan"), 0.0)
    calibrator.learn(layout.initial[0], layout.params[0], 1.0, inf)
    assert layout.initial.tobytes() == before
    assert isnan(calibrator.severity(layout.initial[0], layout.params[0], position_of(1.0)))


@pytest.mark.parametrize(("method", "size"), [("spot", 2_088), ("dspot", 2_088 + 16 + 8 * 200)])
def test_memory_is_bounded(method: str, size: int) -> None:
    """A series takes the bytes that the documentation says."""
    assert layout_of(CalibrationOptions(method=method)).bytes_per_series == size  # type: ignore[arg-type]
