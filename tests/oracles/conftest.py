"""Values on which detectors are compared with their oracles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


def _noise(size: int = 700) -> NDArray[np.float64]:
    return np.random.default_rng(11).normal(50.0, 5.0, size)


def _spiky() -> NDArray[np.float64]:
    values = _noise()
    values[np.random.default_rng(12).integers(0, len(values), 15)] *= 1e4
    values[400] = 1e300
    return values


def _stepping() -> NDArray[np.float64]:
    return np.repeat([3.0, 3.0, -8.0, 3.0, 120.0], 140) + np.where(np.arange(700) < 420, 0.0, _noise())


_SERIES = {
    "noise": _noise(),
    "walk": np.cumsum(_noise() - 50.0),
    "season": 20.0 + 5.0 * np.sin(np.arange(700) * 2.0 * np.pi / 24.0) + 0.1 * _noise(),
    "constant": np.full(700, 0.3),
    "zero": np.zeros(700),
    "stepping": _stepping(),
    "spiky": _spiky(),
    "huge": _noise() * 1e140,
    "tiny": _noise() * 1e-140,
    "far from zero": _noise() + 1e9,
}


@pytest.fixture(params=list(_SERIES))
def values(request: pytest.FixtureRequest) -> NDArray[np.float64]:
    """Return 700 values: noise, walk, season, constant, steps, spikes, huge, tiny, far from zero."""
    return _SERIES[request.param].copy()
