"""What good flows become: defaults, parts, levels, windows, durations."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pynomaly.application.spec.adhoc import detector_entry
from pynomaly.application.spec.detect import NativePart, PyodPart, RiverPart
from pynomaly.application.spec.duration import duration_text, parse_duration
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.window import SlidingWindow
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.outcome import Level
from unit.smallest_flow import Tree, minimal, with_

SECOND_NS = 1_000_000_000


def test_defaults_are_those_of_the_rules() -> None:
    """A flow that says little gets the defaults that the domain states."""
    flow = parse_flow(minimal())
    assert (flow.limits.series, flow.limits.idle_ns, flow.evicts) == (1_000_000, None, True)
    assert flow.checkpoint.every_ns == 10 * SECOND_NS
    assert flow.metrics.address is None
    assert flow.combine.soft_threshold == 1.0
    assert flow.detectors[0].calibration == CalibrationOptions(half_life=10_000, quantile=0.99, warm_up=150)
    assert flow.window is None
    assert flow.fields == ("a", "b")


def test_a_detector_of_one_value_makes_a_part_for_each_field() -> None:
    """Parts are named after their entry, and after their field where there are several."""
    tree = with_(
        detectors=[
            "ew_zscore",
            {"detector": "ew_zscore", "as": "fast", "half_life": 10, "fields": ["b"]},
            "half_space_trees",
            {"river": "GaussianScorer", "fields": ["a"]},
            {"pyod": "IForest", "params": {"n_estimators": 20, "behaviour": None, "sizes": [1, 2]}},
        ]
    )
    placed = [(part.name, part.fields, part.entry) for part in parse_flow(tree).parts]
    assert placed == [
        ("ew_zscore:a", ("a",), 0),
        ("ew_zscore:b", ("b",), 0),
        ("fast", ("b",), 1),
        ("half_space_trees", ("a", "b"), 2),
        ("GaussianScorer", ("a",), 3),
        ("IForest", ("a", "b"), 4),
    ]


def test_options_become_the_detectors_own() -> None:
    """Keys of a native entry are the fields of the detector's options; numbers may come as text."""
    entry = {"detector": "ew_zscore", "half_life": "50", "guard": {"severity": 4}, "direction": "below"}
    part = parse_flow(with_(detectors=[entry])).detectors[0]
    assert isinstance(part, NativePart)
    assert part.native is EW_ZSCORE
    assert part.options == EwZScoreOptions(half_life=50.0, warm_up=20)
    assert part.guard == GuardOptions(severity=4.0, patience=100)
    assert part.direction == "below"


def test_adapted_parts_carry_their_class_and_arguments() -> None:
    """Lists among the arguments are kept as tuples, everything else as it is."""
    tree = with_(detectors=[{"river": "LODA", "params": {"seed": 3, "flag": True}}, {"pyod": "KNN", "window": 64}])
    river, pyod = parse_flow(tree).detectors
    assert isinstance(river, RiverPart)
    assert isinstance(pyod, PyodPart)
    assert (river.river, river.params) == ("LODA", {"seed": 3, "flag": True})
    assert (pyod.pyod, pyod.window, pyod.refit_every, pyod.adopt_after, pyod.group_by) == (
        "KNN",
        64,
        500,
        250,
        "series",
    )


def test_steps_before_a_detector_are_names_or_mappings() -> None:
    """A bare name is a step without arguments; the command line joins names by plus signs."""
    steps = ["MinMaxScaler", {"step": "RobustScaler", "params": {"q_inf": 0.1}}]
    (part,) = parse_flow(with_(detectors=[{"river": "LODA", "preprocessing": steps}])).detectors
    assert isinstance(part, RiverPart)
    assert [(step.step, step.params) for step in part.preprocessing] == [
        ("MinMaxScaler", {}),
        ("RobustScaler", {"q_inf": 0.1}),
    ]
    (without,) = parse_flow(with_(detectors=[{"river": "LODA"}])).detectors
    assert "preprocessing" not in without.model_dump()  # so that it has the fingerprint that it always had
    entry = detector_entry("river/LODA:preprocessing=MinMaxScaler+MaxAbsScaler")
    assert entry == {"river": "LODA", "preprocessing": ["MinMaxScaler", "MaxAbsScaler"]}


@pytest.mark.parametrize(
    ("alert", "detectors", "expected"),
    [
        ({}, 1, {Level.WATCH: 2.3, Level.WARNING: 4.0}),
        ({}, 2, {Level.WATCH: 2.3, Level.WARNING: 4.0, Level.CRITICAL: 6.0}),
        ({"levels": {"critical": 3}}, 1, {Level.CRITICAL: 3.0}),
    ],
)
def test_levels(alert: Tree, detectors: int, expected: dict[Level, float]) -> None:
    """Without levels a flow gets the default ones that its parts can reach."""
    entries = [{"detector": "ew_zscore", "as": f"part{n}", "fields": ["a"]} for n in range(detectors)]
    flow = parse_flow(with_(alert=alert, detectors=entries))
    assert flow.levels == expected
    assert flow.policy.critical == expected.get(Level.CRITICAL)


def test_windows_rename_the_fields() -> None:
    """With a window detectors see aggregates, and durations are nanoseconds."""
    window = {"kind": "sliding", "size": "5m", "slide": 60, "aggregates": ["mean", "count"], "lateness": "1.5s"}
    flow = parse_flow(with_(window=window))
    assert flow.fields == ("a.mean", "a.count", "b.mean", "b.count")
    assert isinstance(flow.window, SlidingWindow)
    assert (flow.window.size_ns, flow.window.slide_ns, flow.window.lateness_ns, flow.window.max_jump_ns) == (
        300 * SECOND_NS,
        60 * SECOND_NS,
        1_500_000_000,
        86_400 * SECOND_NS,
    )
    assert flow.window.plan.panes == 6  # 301.5 s in steps of 60 s


def test_a_dataset_brings_its_record() -> None:
    """A flow on a dataset states no record and has one all the same."""
    tree = {**minimal(), "source": {"kind": "dataset", "name": "water_flow"}}
    del tree["record"]
    flow = parse_flow(tree)
    assert flow.record.values == ("Water flow [l/s]",)
    assert flow.record.time.field == "Time"


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("250ms", 250_000_000),
        ("30s", 30 * SECOND_NS),
        ("5m", 300 * SECOND_NS),
        ("1.5h", 5_400 * SECOND_NS),
        ("2d", 172_800 * SECOND_NS),
        (0.1, 100_000_000),
        ("15", 15 * SECOND_NS),
        ("0.0000015", 1_500),
    ],
)
def test_durations(text: object, expected_ns: int) -> None:
    """Units and bare seconds give exact nanoseconds, and the text of a duration reads back as itself."""
    assert parse_duration(text) == expected_ns
    assert parse_duration(duration_text(expected_ns)) == expected_ns


@pytest.mark.parametrize("given", ["", "5 m", "m", "-1s", "1e3s", "nan", "٣s", True, None, [], "367d"])
def test_bad_durations(given: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="must be"):
        parse_duration(given)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("", None), ("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:80", ("::1", 80))],
)
def test_metrics_address(listen: str, expected: tuple[str, int] | None) -> None:
    """Host and port come apart, brackets of IPv6 come off, empty is off."""
    assert parse_flow(with_(metrics={"listen": listen})).metrics.address == expected


def test_time_bounds_are_in_utc() -> None:
    """One moment has one text, whatever its offset: fingerprints depend on it."""
    time = {"field": "ts", "earliest": "2020-01-01T01:00:00+01:00"}
    flow = parse_flow(with_(record={"time": time, "values": ["a"]}))
    assert flow.record.time.earliest == datetime(2020, 1, 1, tzinfo=UTC)
    assert flow.record.time.earliest.utcoffset() == datetime(2020, 1, 1, tzinfo=UTC).utcoffset()


def test_written_and_read_back_it_is_the_same_flow() -> None:
    """What a flow is dumped as, is a flow again: durations, options and aliases included."""
    flow = parse_flow(
        with_(
            detectors=["running_range", "half_space_trees", {"detector": "seasonal_slot", "as": "day", "slots": 48}],
            window={"kind": "tumbling", "size": "1m"},
            alert={"levels": {"watch": 3}},
        )
    )
    assert FlowSpec.model_validate(flow.model_dump(by_alias=True)) == flow
    assert FlowSpec.model_validate(json.loads(flow.model_dump_json(by_alias=True))) == flow
