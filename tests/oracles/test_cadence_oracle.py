"""The cadence against moments of logarithms with the weights written out."""

from __future__ import annotations

from math import log, nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.feeding import scores_of
from oracles.weights import weights
from pynomaly.domain.detectors.cadence import CADENCE, CadenceOptions

_MINUTE_NS = 60_000_000_000
_START_NS = 1_700_000_000_000_000_000


def _times(gaps_ns: NDArray[np.float64]) -> NDArray[np.int64]:
    return _START_NS + np.cumsum(gaps_ns).astype(np.int64)


def _poisson() -> NDArray[np.int64]:
    return _times(np.random.default_rng(21).exponential(_MINUTE_NS, 300))


def _regular() -> NDArray[np.int64]:
    gaps = np.full(300, float(_MINUTE_NS))
    gaps[200] *= 100.0
    return _times(gaps)


def _batches() -> NDArray[np.int64]:
    return np.sort(np.repeat(_regular(), 3))


def _out_of_order() -> NDArray[np.int64]:
    times = _poisson()
    times[100:300:50] = times[90:290:50]
    return times


_SERIES = {"poisson": _poisson(), "regular": _regular(), "batches": _batches(), "out of order": _out_of_order()}


def _plain_scores(times: NDArray[np.int64], options: CadenceOptions) -> list[float]:
    learned: list[float] = []
    scores: list[float] = []
    last: int | None = None
    for t in times.tolist():
        shares = weights(len(learned), options.half_life)
        mean = float(shares @ np.array(learned))
        sd = max(sqrt(float(shares @ (np.array(learned) - mean) ** 2)), options.tolerance)
        gap = log(max((t - (last or t)) / 1e9, options.resolution_s) * 1e9)
        ordered = last is not None and t >= last
        known = len(learned) >= options.warm_up - 1
        scores.append((abs(gap - mean) / sd if ordered else 0.0) if known else nan)
        if ordered:
            learned.append(min(max(gap, mean - 10 * sd), mean + 10 * sd) if learned else gap)
        if last is None or ordered:
            last = t
    return scores


@pytest.mark.parametrize("series", list(_SERIES))
@pytest.mark.parametrize(
    "options",
    [CadenceOptions(), CadenceOptions(half_life=10.0, tolerance=0.5, resolution_s=30.0, warm_up=3)],
    ids=["default", "short"],
)
def test_equals_written_out_weights(series: str, options: CadenceOptions) -> None:
    """Every score is the distance of log gap from its mean; a record before the last one scores 0."""
    times = _SERIES[series]
    scores = scores_of(CADENCE, options, np.zeros(len(times)), times)
    np.testing.assert_allclose(scores, _plain_scores(times, options), rtol=1e-6, atol=1e-9)


def test_silence_and_burst_stand_out() -> None:
    """In a series of a record a minute or so, a gap of an hour and one of a second exceed all others."""
    gaps = np.random.default_rng(22).normal(60.0, 5.0, 1_000) * 1e9
    gaps[[500, 800]] = 3600e9, 1e9
    scores = scores_of(CADENCE, CadenceOptions(), np.zeros(1_000), _times(gaps))
    assert set(np.argsort(np.nan_to_num(scores))[-2:].tolist()) == {500, 800}
