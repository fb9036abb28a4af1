"""What is said of bad entries of `detectors`."""

from __future__ import annotations

import pytest

from pynomaly.domain.detectors import NATIVE_DETECTORS
from unit.smallest_flow import Tree, lines, with_

NAMES = ", ".join(("auto", *NATIVE_DETECTORS))


LEARN_ALONE = "detectors of other libraries learn on their own, out of the guard's reach"


BAD_DETECTORS: list[tuple[str, Tree, list[str]]] = [
    (
        "unknown detector",
        with_(detectors=["ew_zscor", {"detector": "zebra"}]),
        [
            f"detectors[0]: must be one of {NAMES} (did you mean ew_zscore?), was 'ew_zscor'",
            f"detectors[1].detector: must be one of {NAMES}, was 'zebra'",
        ],
    ),
    (
        "entries that say too little or too much",
        with_(detectors=[{"half_life": 3}, {"river": "LODA", "pyod": "LODA"}, 7]),
        [
            "detectors[0]: must have exactly one of the keys detector, river and pyod, was a mapping",
            "detectors[1]: must have exactly one of the keys detector, river and pyod, was a mapping",
            "detectors[2]: must be the name of a detector or a mapping, was 7",
        ],
    ),
    ("no detectors", with_(detectors=[]), ["detectors: must have at least 1 entries, was a list"]),
    (
        "options out of range",
        with_(detectors=[{"detector": "ew_zscore", "half_life": 0.5, "warm_up": 2.5, "calibration": {"quantile": 2}}]),
        [
            "detectors[0].half_life: must be at least 1, was 0.5",
            "detectors[0].warm_up: must be a whole number, was 2.5",
            "detectors[0].calibration.quantile: must be at most 0.9999, was 2",
        ],
    ),
    (
        "infinite option",
        with_(detectors=[{"detector": "ew_zscore", "half_life": float("inf"), "minimum_absolute": float("nan")}]),
        [
            "detectors[0].half_life: must be at most 1e+09, was inf",
            "detectors[0].minimum_absolute: must be a finite number, was nan",
        ],
    ),
    (
        "what adapted detectors cannot do",
        with_(detectors=[{"river": "LODA", "guard": {}}, {"pyod": "KNN", "direction": "above", "adopt_after": 501}]),
        [
            f"detectors[0].guard: must be left out: {LEARN_ALONE}",
            "detectors[1].direction: must be left out: detectors of other libraries expect no value to deviate from",
            "detectors[1].adopt_after: must be at most `refit_every`, was 501",
        ],
    ),
    (
        "steps before a detector that say too little or too much",
        with_(detectors=[{"river": "LODA", "preprocessing": [{"params": {}}, "Min Max", {"step": "A", "window": 3}]}]),
        [
            "detectors[0].preprocessing[0].step: must be given",
            "detectors[0].preprocessing[1].step: must match ^[A-Za-z][A-Za-z0-9_]*$, was 'Min Max'",
            "detectors[0].preprocessing[2].window: must be a known key: one of step, params",
        ],
    ),
    (
        "what some native detectors cannot do",
        with_(
            detectors=[
                {"detector": "half_space_trees", "minimum_absolute": 1, "scaling": "squish"},
                {"detector": "running_range", "calibration": {"warm_up": 5}},
            ]
        ),
        [
            "detectors[0].minimum_absolute: must be left out: half_space_trees expects no value to deviate from, was 1",
            "detectors[0].scaling: must be one of squash, none (did you mean squash?), was 'squish'",
            "detectors[1].calibration: must be left out: scores of running_range are severities already, was a mapping",
        ],
    ),
    (
        "fields that do not exist",
        with_(detectors=[{"detector": "ew_zscore", "fields": ["a", "c"]}]),
        ["detectors[0].fields[1]: must be one of a, b, was 'c'"],
    ),
    (
        "fields of records where windows have others",
        with_(window={"kind": "tumbling", "size": "1m"}, detectors=[{"detector": "ew_zscore", "fields": ["a"]}]),
        ["detectors[0].fields[0]: must be one of a.mean, b.mean, was 'a'"],
    ),
    (
        "one name twice",
        with_(detectors=["ew_zscore", {"detector": "ew_zscore", "half_life": 9}]),
        ["detectors[1].as: must be a name of its own: detectors[0] has the same"],
    ),
    (
        "fields named twice, arguments of no use, too many parts",
        with_(
            record={"time": {"field": "t"}, "values": [f"v{n}" for n in range(501)]},
            detectors=[
                "ew_zscore",
                "running_range",
                {"detector": "seasonal_slot", "fields": ["v1", "v1"]},
                {"river": "LODA", "params": {"x": {"y": {"z": 1}}}},
            ],
        ),
        [
            "detectors[2].fields: must name every field once, was a list",
            (
                "detectors[3].params.x: "
                "must be text, a number, true, false, null, or a list or mapping of such, was a mapping"
            ),
        ],
    ),
    (
        "too many parts",
        with_(
            record={"time": {"field": "t"}, "values": [f"v{n}" for n in range(501)]},
            detectors=["ew_zscore", "running_range"],
        ),
        ["detectors: must make at most 1000 parts (entries times their fields), was 1002"],
    ),
    (
        "a bad entry does not hide what is wrong with the others",
        with_(detectors=["nope", {"detector": "ew_zscore", "fields": ["c"]}], alert={"levels": {"watch": 99}}),
        [
            f"detectors[0]: must be one of {NAMES}, was 'nope'",
            "detectors[1].fields[0]: must be one of a, b, was 'c'",
        ],
    ),
]


@pytest.mark.parametrize(
    ("tree", "expected"), [row[1:] for row in BAD_DETECTORS], ids=[row[0] for row in BAD_DETECTORS]
)
def test_bad_detectors(tree: Tree, expected: list[str]) -> None:
    """Every problem is reported at once, in the order of the file, in words that say what must hold."""
    assert lines(tree) == expected
