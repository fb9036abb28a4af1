"""The calibrator with coarse bins against every past score weighed anew by its age."""

from __future__ import annotations

from math import e, isnan, log, log10, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.calibration import CalibrationOptions, calibrator_layout, learn_score, position_of, severity

_RATIO, _LOWEST = 1.08, -14.0
_RECORDS = 2_500  # at a half-life of 100 enough for the weights to be rescaled once


def _bins(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where scores stand on the grid: as high as they come, below e^-14 all the same."""
    return np.maximum(np.floor((np.log(scores + 1e-12) - _LOWEST) / log(_RATIO)), 0).astype(np.int64)


def _edge(index: int) -> float:
    return _LOWEST + index * log(_RATIO)


def _plain_severity(past: NDArray[np.float64], score: float, options: CalibrationOptions, limit: float) -> float:
    """Return -log10 of the tail probability of ``score``; ``limit`` is the share of weight allowed in the tail."""
    ages = np.arange(len(past), 0, -1)  # of a record that is about to be learned: 0
    places = _bins(past)
    last = max(int(places.max()), int(_bins(np.array([score]))[0]))
    mass = np.bincount(places, 0.5 ** (ages / options.half_life), minlength=last + 1)
    first = last + 1  # of the tail
    while first > 0 and mass[first - 1 :].sum() <= limit * mass.sum():
        first -= 1
    position, threshold = log(score + 1e-12), _edge(first)
    if position > threshold:
        excess = sum(mass[i] * (_edge(i) + log(_RATIO) / 2 - threshold) for i in range(first, last + 1))
        mean_excess = max((excess + 3 * 0.08) / (mass[first:].sum() + 3), 0.02)
        return -log10(1 - options.quantile) + (position - threshold) / mean_excess * log10(e)
    own = int(_bins(np.array([score]))[0])
    above = mass[own + 1 :].sum() + mass[own] / 2
    return -log10(min(max(above / mass.sum(), 1 - options.quantile), 1.0))


def _score_series() -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(31)
    return {
        "absolute normal": abs(rng.normal(size=_RECORDS)),
        "heavy tail": rng.pareto(1.5, _RECORDS),
        "mostly zero": rng.exponential(size=_RECORDS) * (rng.random(_RECORDS) < 0.05),
        "constant": np.full(_RECORDS, 2.5),
        "few values": rng.integers(0, 4, _RECORDS).astype(float),
        "wide": np.exp(rng.normal(-4.0, 2.5, _RECORDS)),
        "changing": abs(rng.normal(size=_RECORDS)) * np.repeat([1.0, 50.0, 0.001, 1.0, 1.0], _RECORDS // 5),
        "with gaps": np.where(rng.random(_RECORDS) < 0.3, nan, rng.exponential(size=_RECORDS)),
        "up to the highest bin": 200.0 * np.exp(rng.normal(0.0, 0.3, _RECORDS)),
        "above all bins": 1e4 * np.exp(rng.normal(0.0, 0.3, _RECORDS)),
        "far above all bins": 1e9 * np.exp(rng.normal(0.0, 1.5, _RECORDS)),
    }


_SCORES = _score_series()


def _assert_severity(actual: float, past: NDArray[np.float64], score: float, options: CalibrationOptions) -> None:
    """Compare with the plain account; where the edge of the tail is a tie, from either side of it."""
    if len(past) < options.warm_up or isnan(score):
        assert isnan(actual)
        return
    limits = [(1 - options.quantile) * (1 + slack) for slack in (-1e-5, 0.0, 1e-5)]
    plain = np.array([_plain_severity(past, score, options, limit) for limit in limits])
    assert np.isclose(plain, actual, rtol=1e-4, atol=1e-5).any(), (len(past), score, actual, plain)


@pytest.mark.parametrize(
    "options",
    [
        CalibrationOptions(resolution="coarse"),
        CalibrationOptions(resolution="coarse", half_life=100.0, quantile=0.9, warm_up=20),
    ],
    ids=["long", "short"],
)
@pytest.mark.parametrize("kind", list(_SCORES))
def test_equals_all_past_scores_weighed_by_age(kind: str, options: CalibrationOptions) -> None:
    """Severities of the next score, and of one from anywhere, follow from the recipe applied to the whole past."""
    layout = calibrator_layout(options)
    state, params = layout.initial[0], layout.params[0]
    anywhere = np.random.default_rng(32).choice([0.0, 1e-5, 0.5, 3.0, 20.0, 1e9], _RECORDS)
    for i, score in enumerate(_SCORES[kind].tolist()):
        if i % 10 == 0:  # the plain account is slow
            past = _SCORES[kind][:i][~np.isnan(_SCORES[kind][:i])]
            for next_score in (score, float(anywhere[i])):
                _assert_severity(severity(state, params, position_of(next_score)), past, next_score, options)
        learn_score(state, params, position_of(score), 0.0)


def _plain_fine_severity(past: NDArray[np.float64], position: float) -> float:
    """Return the same without bins: empirical down to the 20th newest-weighted score, then Hill's estimator."""
    options = CalibrationOptions()
    order = np.argsort(-past)
    weights, logs = 0.5 ** (np.arange(len(past), 0, -1) / options.half_life)[order], past[order]
    tails = np.cumsum(weights)
    rank = int(np.searchsorted(-logs, -position))
    if rank > 0 and tails[rank - 1] >= 20.0:
        return -log10(tails[rank - 1] / tails[-1])

    def mean_excess(share: float, prior: float) -> tuple[float, float, float]:
        count = int(np.searchsorted(tails, share)) + 1
        threshold = logs[count]
        excess = float((weights[:count] * (logs[:count] - threshold)).sum())
        return (excess + 3 * prior) / (tails[count - 1] + 3), threshold, tails[count - 1] / tails[-1]

    wide, _, _ = mean_excess(0.01 * tails[-1], 0.08)
    narrow, threshold, share = mean_excess(20.0, wide)
    return -log10(share) + (position - threshold) / max(narrow, 0.4 * wide) * log10(e)


@pytest.mark.parametrize("kind", ["normal", "heavy", "uniform"])
def test_fine_bins_come_close_to_no_bins(kind: str) -> None:
    """From the nineties of the scores on, severities of fine bins are those of the scores themselves, but for a bin."""
    rng = np.random.default_rng(33)
    scores = {"normal": abs(rng.normal(size=8_000)), "heavy": rng.pareto(2.0, 8_000), "uniform": 1 + rng.random(8_000)}
    past = np.log(scores[kind] + 1e-12)
    layout = calibrator_layout(CalibrationOptions())
    for position in past.tolist():
        learn_score(layout.initial[0], layout.params[0], position, 0.0)
    for asked in (*np.quantile(past, [0.92, 0.96, 0.985, 0.995, 0.999]), past.max(), past.max() + 0.05):
        found = severity(layout.initial[0], layout.params[0], float(asked))
        plain = _plain_fine_severity(past, float(asked))
        assert min(found, 6.0) == pytest.approx(min(plain, 6.0), abs=0.15)  # beyond 6 nothing counts
