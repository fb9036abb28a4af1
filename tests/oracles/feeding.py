"""A native detector on the values of one series, record by record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.seam import Detector
from pynomaly.domain.option import Options

HOUR_NS = 3_600_000_000_000
_START_NS = 1_700_000_000_000_000_000


def hours(count: int) -> NDArray[np.int64]:
    """Return event times an hour apart."""
    return _START_NS + np.arange(count, dtype=np.int64) * HOUR_NS


def scores_of(
    detector: Detector, options: Options, values: NDArray[np.float64], time_ns: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the score of every value before it is learned; without times, records are an hour apart."""
    layout = detector.layout(options, 1)
    state, params = layout.initial[0], layout.params[0]
    times = hours(len(values)) if time_ns is None else time_ns
    scores = np.empty(len(values))
    for i, (x, t) in enumerate(zip(values.tolist(), times.tolist(), strict=True)):
        scores[i] = detector.score(state, params, x, t)
        detector.learn(state, params, x, t)
    return scores
