"""Online isolation forest: random trees that grow where records are many and shrink where they stay away."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.detectors.field_scale import UNIT_SD, learn_scale, scale_fields, squashed, standardised
from pynomaly.domain.detectors.forward_decay import add_weight, decay_fields, growth
from pynomaly.domain.detectors.seam import Detector, Layout, rate, row, zeros
from pynomaly.domain.detectors.seeded_draw import draw
from pynomaly.domain.jit import Row, compiled
from pynomaly.domain.option import Options, option

_STAY = 0.5  # ratio of the records that a split took, under which it is undone
_DRAWS = 4  # at most so many for a tree and record: a cut, the axes of two leaves, the axis of a pruned one


@dataclass(frozen=True)
class IsolationForestOptions(Options):
    """How few random cuts part a record from the crowd.

    Catches records in sparse regions, at any distance and of any density around them, with several clusters and with
    fields that do not matter. Fails on records between clusters that no cut happens to separate, and on long bursts,
    for which a region of their own is cut out: use the learning guard. The trees are random, so that another seed moves
    the area under the ROC curve by some points. Cost O(trees * depth) a record, and O(2^depth) for one tree;
    48 * trees * 2^depth + 24 * d + 24 bytes a series.

    Leveni, Weigert Cassales, Pfahringer, Bifet and Boracchi (ICML 2024), "Online isolation forest": a leaf of depth k
    that holds leaf_records * 2^k records is split at a random place of a random axis (algorithm 2), a split that has
    lost them is undone (algorithm 3), and the score is 2^(-mean depth / depth of the crowd) (section 3). Deviations:

    * Records are forgotten exponentially instead of leaving a window, which saves the window. One tree a record is
      looked through for splits to undo, at half of the records that they took, so that none comes and goes.
    * Where the paper scatters a leaf's records at random over its box, each half here gets its share of the cut range,
      and a leaf draws the axis of its cut when it begins and keeps the range of that axis only: 24 bytes a node
      whatever the number of fields. It is split when as many records as a leaf of depth 0 needs came by themselves.
    * A leaf adds log2(1 + its share of all records * 2^depth) to its depth.
    * Fields are standardised by exponentially weighted mean and deviation, and squashed to z / (1 + |z|).
    """

    trees: int = option(32, "number of trees", low=1, high=1_000)
    depth: int = option(5, "most cuts from the root to a leaf", low=1, high=12)
    leaf_records: int = option(64, "records in the root before its cut; twice as many a level", low=1, high=10_000)
    half_life: float = option(2000.0, "records after which a record counts half", low=1.0, high=1e6)
    warm_up: int = option(250, "records of a series before its first score", low=2, high=1_000_000)
    seed: int = option(0, "seed of the cuts", low=0, high=1_000_000_000)


def _layout(options: IsolationForestOptions, fields: int) -> Layout:
    node = np.dtype(
        [
            ("mass", "f4"),  # weight of its records
            ("given", "f4"),  # of it, what did not come as records but from the parent
            ("low", "f4"),  # range of the leaf's records on its axis; none: low above high
            ("high", "f4"),
            ("cut", "f4"),
            ("axis", "i2"),
            ("inner", "i2"),  # whether it is cut
        ]
    )
    state = zeros([*scale_fields(fields), *decay_fields(), ("node", node, (options.trees, 2 << options.depth))])
    state["sd"], state["weight"] = UNIT_SD, 1.0
    state["node"]["low"], state["node"]["high"] = 1.0, -1.0
    state["node"]["axis"][0, :, 1] = [int(draw(options.seed, _DRAWS * tree) * fields) for tree in range(options.trees)]
    params = row(
        rate=rate(options.half_life),
        growth=growth(options.half_life),
        warm_up=options.warm_up,
        depth=options.depth,
        leaf_records=options.leaf_records,
        seed=options.seed,
    )
    return Layout(state, params)


@compiled
def _leaf(tree: Any, y: NDArray[np.float32]) -> tuple[int, int]:
    """Return the leaf of y, nodes in heap order from 1, and its depth."""
    place, depth = 1, 0
    while tree[place].inner:
        place = 2 * place + (y[tree[place].axis] >= tree[place].cut)
        depth += 1
    return place, depth


@compiled
def score(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> float:  # noqa: ARG001
    """Return 2^(-mean depth / depth of the crowd), between 0 and 1; NaN until warm."""
    if state.count < params.warm_up:
        return nan
    y = squashed(standardised(state, x))
    trees, crowd = len(state.node), 2.0**params.depth
    depths = 0.0
    for tree in range(trees):
        place, depth = _leaf(state.node[tree], y)
        depths += depth + log2(1.0 + crowd * (state.node[tree, place].mass / state.total))
    return 2.0 ** (-depths / (trees * log2(1.0 + crowd)))


@compiled
def learn(state: Row, params: Row, x: NDArray[np.float64], time_ns: int) -> None:  # noqa: ARG001
    """Count x along its path of every tree, cut the leaves that hold enough, and prune one tree."""
    learn_scale(state, x, params.rate, params.warm_up)
    state.count += 1
    lighter = add_weight(state, params.growth)
    if lighter < 1.0:
        _lighten(state, np.float32(lighter))
    y = squashed(standardised(state, x))
    trees = len(state.node)
    for tree in range(trees):
        _count(state.node[tree], y, np.float32(state.weight))
        _split(state.node[tree], y, params, state.weight, _DRAWS * (trees * state.count + tree))
    tree = state.count % trees
    number = _DRAWS * (trees * state.count + tree) + 3
    _prune(state.node[tree], len(y), params, state.weight, draw(params.seed, number))


@compiled
def _lighten(state: Row, lighter: np.float32) -> None:
    trees, nodes = state.node.shape
    for tree in range(trees):
        for place in range(nodes):
            state.node[tree, place].mass *= lighter
            state.node[tree, place].given *= lighter


@compiled
def _count(tree: Any, y: NDArray[np.float32], weight: np.float32) -> None:
    """Add y to all nodes on its path, and to the range of its leaf."""
    place = 1
    while tree[place].inner:
        tree[place].mass += weight
        place = 2 * place + (y[tree[place].axis] >= tree[place].cut)
    leaf = tree[place]
    leaf.mass += weight
    value = y[leaf.axis]
    if leaf.low > leaf.high:
        leaf.low, leaf.high = value, value
    else:
        leaf.low, leaf.high = min(leaf.low, value), max(leaf.high, value)


@compiled
def _split(tree: Any, y: NDArray[np.float32], params: Row, weight: float, number: int) -> None:
    """Cut the leaf of y if it holds enough records."""
    place, depth = _leaf(tree, y)
    leaf = tree[place]
    enough = params.leaf_records * weight
    if depth == params.depth or leaf.mass < enough * 2.0**depth or leaf.mass - leaf.given < enough:
        return
    cut = np.float32(leaf.low + (leaf.high - leaf.low) * draw(params.seed, number))
    if cut <= leaf.low or cut > leaf.high:  # a range of nothing, or of a few neighbouring floats
        return
    leaf.cut, leaf.inner = cut, 1
    left = leaf.mass * ((cut - leaf.low) / (leaf.high - leaf.low))
    _begin(tree[2 * place], left, int(draw(params.seed, number + 1) * len(y)))
    _begin(tree[2 * place + 1], leaf.mass - left, int(draw(params.seed, number + 2) * len(y)))


@compiled
def _begin(node: Any, mass: np.float32, axis: int) -> None:
    """Make a node a leaf that has that mass and no record of its own."""
    node.mass, node.given = mass, mass
    node.low, node.high = 1.0, -1.0
    node.axis, node.inner = axis, 0


@compiled
def _prune(tree: Any, fields: int, params: Row, weight: float, drawn: float) -> None:
    """Make leaves of the inner nodes that lost their records; what is below them is begun anew when they are cut."""
    enough, first = _STAY * params.leaf_records * weight, 1
    while 2 * first < len(tree):
        for place in range(first, 2 * first):
            if tree[place].inner and tree[place].mass < enough:
                _begin(tree[place], tree[place].mass, int(drawn * fields))
        enough, first = 2.0 * enough, 2 * first


ISOLATION_FOREST = Detector("isolation_forest", IsolationForestOptions, _layout, score, learn, takes_vector=True)
