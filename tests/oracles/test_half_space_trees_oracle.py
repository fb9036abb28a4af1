"""Half-space trees against the paper's algorithms on nodes with pointers."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from pynomaly.domain.detectors.half_space_trees import HALF_SPACE_TREES, HalfSpaceTreesOptions


@dataclass
class _Node:
    """A node of Tan, Ting and Liu (2011): masses r and l, depth k, and two children unless it is a leaf."""

    k: int
    axis: int = 0
    cut: float = 0.0
    left: _Node | None = None
    right: _Node | None = None
    r: int = 0
    l: int = 0

    def child(self, x: list[float]) -> _Node | None:
        return self.left if x[self.axis] < self.cut else self.right

    def update_mass(self, x: list[float]) -> None:
        self.l += 1
        below = self.child(x)
        if below is not None:
            below.update_mass(x)

    def adopt(self) -> None:
        self.r, self.l = self.l, 0
        for below in (self.left, self.right):
            if below is not None:
                below.adopt()

    def score(self, x: list[float], size_limit: float) -> int:
        below = self.child(x)
        if self.r <= size_limit or below is None:
            return self.r * 2**self.k
        return below.score(x, size_limit)


def _build(k: int, place: int, low: list[float], high: list[float], axes: list[int], depth: int) -> _Node:
    """Build the node at ``place`` of the heap over the box from low to high."""
    if k == depth:
        return _Node(k)
    axis = axes[place - 1]
    cut = (low[axis] + high[axis]) / 2
    left_high, right_low = list(high), list(low)
    left_high[axis] = right_low[axis] = cut
    left = _build(k + 1, 2 * place, low, left_high, axes, depth)
    right = _build(k + 1, 2 * place + 1, right_low, high, axes, depth)
    return _Node(k, axis, cut, left, right)


def _forest(options: HalfSpaceTreesOptions, fields: int) -> list[_Node]:
    generator = np.random.PCG64(options.seed)
    trees = []
    for _ in range(options.trees):
        middle = [int(generator.random_raw()) / 2**64 for _ in range(fields)]
        axes = [int(generator.random_raw()) % fields for _ in range(2**options.depth - 1)]
        low = [m - 2 * max(m, 1 - m) for m in middle]
        high = [m + 2 * max(m, 1 - m) for m in middle]
        trees.append(_build(0, 1, low, high, axes, options.depth))
    return trees


class _Scale:
    """One field's way into [0, 1]."""

    def __init__(self, options: HalfSpaceTreesOptions) -> None:
        self.options = options
        self.mean = self.variance = 0.0
        self.sd = 1.0
        self.count = 0

    def learn(self, x: float) -> None:
        x = min(max(x, -1e150), 1e150)
        if self.count >= self.options.window and self.sd > 1e-12 * abs(self.mean):
            x = min(max(x, self.mean - 100 * self.sd), self.mean + 100 * self.sd)
        self.count += 1
        share = max(1 - 0.5 ** (1 / self.options.half_life), 1 / self.count)
        before = self.mean
        self.mean = before + share * (x - before)
        self.variance = (1 - share) * (self.variance + (before - self.mean) ** 2) + share * (x - self.mean) ** 2
        self.sd = max(sqrt(self.variance), 1e-12 * abs(self.mean), 1e-150)

    def __call__(self, x: float) -> float:
        if self.options.scaling == "none":
            return min(max(x, 0.0), 1.0)
        z = (min(max(x, -1e150), 1e150) - self.mean) / self.sd
        return min(0.5 + z / (2 * (1 + abs(z))), 1 - 2.0**-53)  # no number is mapped to 1, only rounded to it


def _plain_scores(rows: NDArray[np.float64], options: HalfSpaceTreesOptions) -> list[float]:
    trees = _forest(options, rows.shape[1])
    scales = [_Scale(options) for _ in range(rows.shape[1])]
    scores: list[float] = []
    for n, row in enumerate(rows.tolist()):
        x = [scale(value) for scale, value in zip(scales, row, strict=True)]
        total = sum(tree.score(x, options.size_limit_ratio * options.window) for tree in trees)
        scores.append(nan if n < options.window else options.window * options.trees / (total + 1))
        if options.scaling == "squash":
            for scale, value in zip(scales, row, strict=True):
                scale.learn(value)
        x = [scale(value) for scale, value in zip(scales, row, strict=True)]
        for tree in trees:
            tree.update_mass(x)
            if (n + 1) % options.window == 0:
                tree.adopt()
    return scores


def _scores(rows: NDArray[np.float64], options: HalfSpaceTreesOptions) -> list[float]:
    layout = HALF_SPACE_TREES.layout(options, rows.shape[1])
    state, params = layout.initial[0], layout.params[0]
    scores = []
    for row in rows:
        scores.append(HALF_SPACE_TREES.score(state, params, row, 0))
        HALF_SPACE_TREES.learn(state, params, row, 0)
    return scores


@pytest.mark.parametrize(
    "options",
    [
        HalfSpaceTreesOptions(window=100),
        HalfSpaceTreesOptions(window=60, size_limit_ratio=0.0, half_life=30.0, seed=5),
        HalfSpaceTreesOptions(window=150, size_limit_ratio=0.5, seed=6),
    ],
    ids=["shorter window", "no size limit", "large size limit"],
)
def test_equals_the_paper_on_one_field(values: NDArray[np.float64], options: HalfSpaceTreesOptions) -> None:
    """Scores of one squashed field follow from the masses of the paper's trees, over several windows."""
    rows = values[:, np.newaxis]
    np.testing.assert_allclose(_scores(rows, options), _plain_scores(rows, options), rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 9])
def test_equals_the_paper_on_two_fields(depth: int) -> None:
    """Trees of any depth over several fields give the paper's scores."""
    rows = np.random.default_rng(21).normal([0.0, 1e3], [1e-3, 50.0], (500, 2))
    options = HalfSpaceTreesOptions(trees=7, depth=depth, window=120, seed=depth)
    np.testing.assert_allclose(_scores(rows, options), _plain_scores(rows, options), rtol=1e-12)


def test_equals_the_paper_on_values_as_they_are() -> None:
    """Without scaling, values count as they are, and those outside [0, 1] as its nearest end."""
    rng = np.random.default_rng(22)
    rows = np.where(rng.random((500, 2)) < 0.2, rng.choice([-3.0, 0.0, 1.0, 4.0], (500, 2)), rng.random((500, 2)))
    options = HalfSpaceTreesOptions(trees=7, depth=9, window=90, scaling="none", seed=10**9)
    np.testing.assert_allclose(_scores(rows, options), _plain_scores(rows, options), rtol=1e-12)
