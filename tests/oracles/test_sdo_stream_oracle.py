"""SDOstream against observers as objects whose observations and age fade record by record."""

from __future__ import annotations

from dataclasses import dataclass
from math import dist, nan
from statistics import median

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores, split_mix
from pynomaly.domain.detectors.sdo_stream import SDO_STREAM, SdoStreamOptions


@dataclass
class _Observer:
    """Observations P and age H of Hartl, Iglesias and Zseby, both faded."""

    place: NDArray[np.float64]
    p: float = 1.0
    h: float = 1.0
    idle: bool = False


class _Model:
    """The observers of one series."""

    def __init__(self, options: SdoStreamOptions) -> None:
        self.options, self.observers, self.count = options, list[_Observer](), 0
        self.fading = 0.5 ** (1 / options.half_life)

    def nearest(self, z: NDArray[np.float64], among: list[_Observer]) -> list[_Observer]:
        return sorted(among, key=lambda one: dist(one.place, z))[: self.options.neighbours]

    def score(self, z: NDArray[np.float64]) -> float:
        if self.count < self.options.warm_up or len(self.observers) < self.options.neighbours:
            return nan
        active = [one for one in self.observers if not one.idle]
        return median(dist(one.place, z) for one in self.nearest(z, active))

    def learn(self, z: NDArray[np.float64]) -> None:
        options, k = self.options, self.options.observers
        self.count += 1
        for one in self.observers:
            one.p, one.h = one.p * self.fading, one.h * self.fading + 1
        chance = self._observe(z) * k**2 / options.neighbours * (1 - self.fading)
        if len(self.observers) < k:
            self.observers.append(_Observer(z))
        elif split_mix(options.seed, self.count) < chance:
            least = min(range(k), key=lambda i: self.observers[i].p / self.observers[i].h)
            self.observers[least] = _Observer(z)
        if self.count % k == 0:
            order = sorted(self.observers, key=lambda one: one.p / one.h)
            for rank, one in enumerate(order):
                one.idle = rank < int(options.idle_ratio * k)

    def _observe(self, z: NDArray[np.float64]) -> float:
        if len(self.observers) < self.options.neighbours:
            return 0.0
        close = self.nearest(z, self.observers)
        share = sum(one.p for one in close)
        for one in close:
            one.p += 1
        return share / sum(one.p for one in self.observers)


def _plain_scores(values: NDArray[np.float64], options: SdoStreamOptions) -> list[float]:
    scales, model, given = Scales(values.shape[1], options.half_life, options.warm_up), _Model(options), []
    for row in values:
        given.append(model.score(scales.z(row)))
        scales.learn(row)
        model.learn(scales.z(row))
    return given


@pytest.mark.parametrize(
    "options",
    [
        SdoStreamOptions(observers=30, half_life=100.0, warm_up=40, seed=2),
        SdoStreamOptions(observers=12, neighbours=3, idle_ratio=0.5, half_life=15.0, warm_up=2, seed=4),
        SdoStreamOptions(neighbours=1, idle_ratio=0.0, seed=10**9),
    ],
    ids=["adapting", "forgetful", "nearest of all"],
)
def test_equals_the_paper(options: SdoStreamOptions) -> None:
    """Scores are those of the same observers, which are kept in single precision."""
    expected = _plain_scores(rows(), options)
    np.testing.assert_allclose(scores(SDO_STREAM, options, rows()), expected, rtol=1e-4, atol=1e-6)
