"""The fingerprint of a flow: what it tells apart, and what it leaves out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from pynomaly.application.spec.parse import parse_flow
from unit.smallest_flow import Tree, minimal


def _set(*path_and_value: object) -> Callable[[Tree], None]:
    *path, last, value = path_and_value

    def change(tree: Tree) -> None:
        for step in path:
            tree = tree.setdefault(step, {}) if isinstance(step, str) else tree[step]  # type: ignore[index]  # a list
        tree[last] = value  # type: ignore[index]  # the last step is a key

    return change


SAME_SCORES = [
    _set("description", "words"),
    _set("source", "bootstrap", "localhost:9093"),
    _set("source", "batch_records", 5),
    _set("source", "group", "g"),
    _set("source", "decoder", "portable"),
    _set("source", "client", {"socket.timeout.ms": 5000}),
    _set("source", "security", {"protocol": "SSL"}),
    _set("output", "alerts", {"kind": "terminal"}),
    _set("output", "outcomes", {"kind": "file", "path": "o.jsonl"}),
    _set("metrics", "listen", "127.0.0.1:1"),
    _set("checkpoint", "every", "1s"),
    _set("detectors", [{"detector": "ew_zscore", "half_life": 200, "calibration": {"quantile": 0.99}}]),
    _set("alert", {"bump": 8, "levels": {"watch": 2.3, "warning": 4, "critical": 6}}),
    _set("record", "time", "earliest", "1990-01-01T02:00:00+02:00"),
]
OTHER_SCORES = [
    _set("flow", "other"),
    _set("source", "topic", "other"),
    _set("record", "values", ["b", "a"]),
    _set("record", "max_bytes", 17),
    _set("record", "time", "format", "ms"),
    _set("window", {"kind": "tumbling", "size": "1m"}),
    _set("detectors", [{"detector": "ew_zscore", "half_life": 201}]),
    _set("detectors", [{"detector": "ew_zscore", "as": "z"}]),
    _set("detectors", [{"detector": "ew_zscore", "guard": {}}]),
    _set("detectors", [{"detector": "ew_zscore", "calibration": {"warm_up": 151}}]),
    _set("detectors", ["ew_zscore", "running_range"]),
    _set("detectors", [{"river": "LODA"}]),
    _set("detectors", [{"river": "LODA", "preprocessing": ["MinMaxScaler"]}]),
    _set("detectors", [{"river": "LODA", "preprocessing": ["MaxAbsScaler"]}]),
    _set("combine", {"cap": 4.5}),
    _set("persistence", {"of": 2}),
    _set("alert", {"bump": 7}),
    _set("alert", {"levels": {"watch": 2.4}}),
    _set("limits", {"series": 5}),
]


@pytest.mark.parametrize("change", SAME_SCORES)
def test_fingerprint_leaves_out_what_decides_nothing(change: Callable[[Tree], None]) -> None:
    """Outputs, connections, batch sizes and defaults written out do not make another flow."""
    tree = copy.deepcopy(minimal())
    change(tree)
    assert parse_flow(tree).fingerprint() == parse_flow(minimal()).fingerprint()


def test_fingerprint_tells_apart_what_decides() -> None:
    """Each change that may change a score or an id gives a fingerprint of its own."""
    trees = [copy.deepcopy(minimal()) for _ in OTHER_SCORES]
    for tree, change in zip(trees, OTHER_SCORES, strict=True):
        change(tree)
    prints = [parse_flow(tree).fingerprint() for tree in [minimal(), *trees]]
    assert len(set(prints)) == len(prints)
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in prints)
