"""Online isolation forest against nodes with children that count what they see."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from oracles.field_scales import Scales, rows, scores, split_mix
from pynomaly.domain.detectors.isolation_forest import ISOLATION_FOREST, IsolationForestOptions


@dataclass
class _Node:
    """A node of some depth: faded mass, the part that came from its parent, and values of its leaf's axis."""

    depth: int
    axis: int
    mass: float = 0.0
    given: float = 0.0
    low: float = 1.0
    high: float = -1.0
    cut: float = 0.0
    children: tuple[_Node, _Node] | None = None

    def fade(self, by: float) -> None:
        self.mass, self.given = self.mass * by, self.given * by
        for child in self.children or ():
            child.fade(by)

    def leaf(self, y: list[float]) -> _Node:
        return self if self.children is None else self.children[y[self.axis] >= self.cut].leaf(y)

    def count(self, y: list[float]) -> None:
        self.mass += 1
        if self.children is not None:
            self.children[y[self.axis] >= self.cut].count(y)
        elif self.low > self.high:
            self.low = self.high = y[self.axis]
        else:
            self.low, self.high = min(self.low, y[self.axis]), max(self.high, y[self.axis])

    def split(self, options: IsolationForestOptions, draws: list[float], fields: int) -> None:
        enough = options.leaf_records
        if self.depth == options.depth or self.mass < enough * 2**self.depth or self.mass - self.given < enough:
            return
        # the range is that of single precision numbers, and so is the place of the cut
        reach = float(np.float32(np.float32(self.high) - np.float32(self.low)))
        cut = float(np.float32(self.low + reach * draws[0]))
        if cut <= self.low or cut > self.high:
            return
        left = self.mass * (cut - self.low) / (self.high - self.low)
        masses = (left, self.mass - left)
        first, second = (
            _Node(self.depth + 1, int(draw * fields), mass, mass) for draw, mass in zip(draws[1:3], masses, strict=True)
        )
        self.cut, self.children = cut, (first, second)

    def prune(self, options: IsolationForestOptions, axis: int) -> None:
        if self.children is None:
            return
        if self.mass < 0.5 * options.leaf_records * 2**self.depth:
            self.children, self.given, self.axis, self.low, self.high = None, self.mass, axis, 1.0, -1.0
            return
        for child in self.children:
            child.prune(options, axis)


def _plain_scores(values: NDArray[np.float64], options: IsolationForestOptions) -> list[float]:
    fields, trees = values.shape[1], options.trees
    scales, total, given = Scales(fields, options.half_life, options.warm_up), 0.0, []
    forest = [_Node(0, int(split_mix(options.seed, 4 * tree) * fields)) for tree in range(trees)]
    crowd, fading = 2**options.depth, 0.5 ** (1 / options.half_life)
    for n, row in enumerate(values):
        leaves = [root.leaf(_squashed(scales.z(row))) for root in forest]
        depths = [leaf.depth + log2(1 + crowd * leaf.mass / total) for leaf in leaves] if n else [0.0]
        given.append(2 ** (-np.mean(depths) / log2(1 + crowd)) if n >= options.warm_up else nan)
        scales.learn(row)
        y, total = _squashed(scales.z(row)), total * fading + 1
        for tree, root in enumerate(forest):
            draws = [split_mix(options.seed, 4 * (trees * (n + 1) + tree) + index) for index in range(4)]
            root.fade(fading)
            root.count(y)
            root.leaf(y).split(options, draws, fields)
            if tree == (n + 1) % trees:
                root.prune(options, int(draws[3] * fields))
    return given


def _squashed(z: NDArray[np.float64]) -> list[float]:
    return [float(np.float32(value / (1 + abs(value)))) for value in z.tolist()]


@pytest.mark.parametrize(
    "options",
    [
        IsolationForestOptions(trees=7, leaf_records=10, half_life=150.0, warm_up=40),
        IsolationForestOptions(trees=3, depth=3, leaf_records=3, half_life=12.0, warm_up=2, seed=6),
        IsolationForestOptions(trees=2, depth=1, leaf_records=30, seed=10**9),
    ],
    ids=["deep", "forgetful", "one cut"],
)
def test_equals_nodes(options: IsolationForestOptions) -> None:
    """Scores follow from trees that are split and pruned by the stated rules; masses are single precision."""
    expected = _plain_scores(rows(), options)
    np.testing.assert_allclose(scores(ISOLATION_FOREST, options, rows()), expected, rtol=1e-5)
