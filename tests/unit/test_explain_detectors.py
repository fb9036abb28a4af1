"""What an explanation says of each detector: all that decides whether it counts, and its cost as documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pynomaly.application.spec.cost import PYOD_COSTS, RIVER_COSTS
from pynomaly.application.spec.explain import explain
from pynomaly.application.spec.parse import parse_flow
from pynomaly.infrastructure.adapted.pyod_catalogue import PYOD_KINDS
from pynomaly.infrastructure.adapted.river_catalogue import RIVER_KINDS

DOCS = Path(__file__).parents[2] / "docs"


def explained(detectors: list[Any], **sections: object) -> str:
    """Return what is said of a flow with these detectors."""
    flow = {
        "flow": "pumps",
        "source": {"kind": "files", "path": "in/*.csv"},
        "record": {"time": {"field": "ts"}, "values": ["a", "b"]},
        "detectors": detectors,
        "output": {"alerts": {"kind": "terminal"}},
    }
    return str(explain(parse_flow({**flow, **sections})))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"direction": "below"}, "Only values below the expected one count."),
        (
            {"minimum_absolute": 5},
            "Deviations from the expected value that are smaller than 5 do not count.",
        ),
        (
            {"minimum_absolute": 0.5, "minimum_relative": 0.05},
            "Deviations from the expected value that are smaller than 0.5 or than 0.05 times its size do not count.",
        ),
        (
            {"guard": {"severity": 4, "patience": 1200}},
            "A record of severity 4 or more is not learned, for at most 1,200 in a row: then it is the new normal.",
        ),
    ],
)
def test_rules_of_a_native_detector_are_told(options: dict[str, object], told: str) -> None:
    """Side, least deviation and learning guard decide what alerts: each has its sentence, and only where it is set."""
    assert told in explained([{"detector": "ew_zscore", **options}])
    assert told not in explained(["ew_zscore"])


def test_arguments_of_other_libraries_are_told() -> None:
    """What the operator gave to the detector's class is repeated, with a fit's schedule."""
    text = explained(
        [
            {"river": "LODA", "params": {"n_bins": 10, "limits": {"a": [0, 1]}}},
            {"pyod": "IForest", "params": {"behaviour": None, "name": "x"}, "adopt_after": 20},
        ]
    )
    assert 'Its arguments are n_bins=10, limits={"a": [0, 1]}.' in text
    assert 'Its arguments are behaviour=null, name="x".' in text
    assert "every 500 records; a fit takes over 20 records after its start." in text


def test_windows_are_counted_where_windows_are_scored() -> None:
    """With a window nothing that counts scored things speaks of records."""
    text = explained(
        [{"detector": "ew_zscore", "guard": {}}, {"pyod": "IForest"}],
        window={"kind": "tumbling", "size": "1m"},
        persistence={"hits": 2, "of": 3},
    )
    for told in (
        "fitted on the last 1,000 windows of each series, every 500 windows; a fit takes over 250 windows after",
        "A window of severity 3 or more is not learned",
        "of a million windows.",
        "Only when 2 of a series' last 3 windows reach the level.",
        "loses half of that in 40 windows.",
        "they count from its window 300 on",
    ):
        assert told in text


def test_alert_memory_is_told_where_there_is_one() -> None:
    """Bump and habituation raise the bar, so both are told; at 0 they do nothing."""
    text = explained(["ew_zscore"], alert={"bump": 7, "bump_half_life": 9, "habituation": 0.5})
    assert "After an alert the bar of its level is 7 higher and loses half of that in 9 records." in text
    assert "A series with A past alerts at a level has to show 0.5 * ln(1 + A) more" in text
    quiet = explained(["ew_zscore"], alert={"bump": 0, "habituation": 0})
    assert "After an alert" not in quiet
    assert "past alerts" not in quiet


def test_steps_before_a_detector_are_told() -> None:
    """In their order, with their arguments."""
    steps = ["MinMaxScaler", {"step": "RobustScaler", "params": {"q_inf": 0.1}}]
    text = explained([{"river": "LODA", "preprocessing": steps}])
    assert "Records go through MinMaxScaler(), then RobustScaler(q_inf=0.1) first." in text


def test_costs_are_those_of_each_class() -> None:
    """A detector is not called as cheap as its library's cheapest."""
    text = explained([{"river": "LODA"}, {"river": "LocalOutlierFactor"}, {"pyod": "INNE"}])
    assert "River's LODA, one model a series. Scored in Python, about 250 us each" in text
    assert "River's LocalOutlierFactor, one model a series. Scored in Python, about 3 ms each" in text
    assert "Scored in Python, about 53 ms each" in text


@pytest.mark.parametrize(
    ("page", "column", "costs"),
    [("detectors-river.md", 4, RIVER_COSTS), ("detectors-pyod.md", 1, PYOD_COSTS)],
)
def test_documented_costs_are_the_explained_ones(page: str, column: int, costs: dict[str, str]) -> None:
    """The tables of the documentation and the explanation of a flow tell the same costs."""
    rows = [line.strip("| ").split(" | ") for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    documented = {re.findall(r"`(\w+)`", row[0])[0]: row[column] for row in rows}
    assert documented == costs


def test_every_detector_of_other_libraries_has_a_cost() -> None:
    """A detector that is added gets its cost measured."""
    assert set(RIVER_COSTS) == set(RIVER_KINDS)
    assert set(PYOD_COSTS) == set(PYOD_KINDS)
