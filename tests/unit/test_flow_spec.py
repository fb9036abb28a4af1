"""The language of flows: what it accepts, what it makes of it, and what it says of the rest."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pynomaly.application.spec.complaint import Complaint
from pynomaly.application.spec.detect import NativePart, PyodPart, RiverPart
from pynomaly.application.spec.duration import duration_text, parse_duration
from pynomaly.application.spec.entry import native_part
from pynomaly.application.spec.explain import bytes_per_series, explain
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.page import flow_page
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.schema import flow_schema, schema_text
from pynomaly.application.spec.window import SlidingWindow
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.detectors import NATIVE_DETECTORS, Detector
from pynomaly.domain.detectors.ew_zscore import EW_ZSCORE, EwZScoreOptions
from pynomaly.domain.error import ConfigError, Problem
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.option import Options, option
from pynomaly.domain.outcome import Level

ROOT = Path(__file__).parents[2]
SECOND_NS = 1_000_000_000

Tree = dict[str, Any]


def minimal() -> Tree:
    """Return the tree of the smallest flow on Kafka."""
    return {
        "flow": "pumps",
        "source": {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "readings"},
        "record": {"time": {"field": "ts"}, "values": ["a", "b"], "series": ["pump"]},
        "detectors": ["ew_zscore"],
        "output": {"alerts": {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "alerts"}},
    }


def with_(**sections: object) -> Tree:
    """Return the smallest flow with some sections replaced."""
    return {**minimal(), **sections}


def lines(tree: object) -> list[str]:
    """Return what is said of a bad flow, line by line."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(tree)
    return [str(problem) for problem in caught.value.problems]


# What good flows become


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


# What is said of bad flows

SECTIONS = (
    "flow, description, source, record, dedupe, window, detectors, combine, persistence, alert, output, limits, "
    "checkpoint, state, metrics"
)
KAFKA_KEYS = (
    "bootstrap, security, client, timeout_s, kind, topic, group, start, new_partitions, out_of_range, tombstones, "
    "format, schema_registry, reader, decoder, batch_records"
)
PART_KEYS = "as, fields, calibration, detector, direction, minimum_absolute, minimum_relative, guard"
EW_ZSCORE_KEYS = f"{PART_KEYS}, half_life, warm_up"
RUNNING_RANGE_KEYS = f"{PART_KEYS}, base, slope, tolerance, warm_up, half_life"
ALERT_KEYS = "levels, bump, bump_half_life, habituation, habituation_half_life, habituation_from"
NATIVE = ", ".join(NATIVE_DETECTORS)
REACH = "the highest evidence of these detectors (parts times combine.cap)"
LEARN_ALONE = "detectors of other libraries learn on their own, out of the guard's reach"

BAD_FLOWS: list[tuple[str, Tree, list[str]]] = [
    ("no name", {**minimal(), "flow": "Pumps!"}, ["flow: must match ^[a-z0-9][a-z0-9-]*$, was 'Pumps!'"]),
    (
        "unknown section",
        with_(detector=["ew_zscore"]),
        [f"detector: must be a known key: one of {SECTIONS} (did you mean detectors?)"],
    ),
    (
        "unknown kind",
        with_(source={"kind": "kafak", "topic": "x"}),
        ["source.kind: must be one of kafka, files, dataset, memory (did you mean kafka?), was 'kafak'"],
    ),
    (
        "no kind",
        with_(source={"topic": "x"}),
        ["source.kind: must be one of kafka, files, dataset, memory, was nothing"],
    ),
    (
        "missing and mistyped keys of a source",
        with_(source={"kind": "kafka", "topik": "x", "batch_records": 0, "timeout_s": True}),
        [
            f"source.topik: must be a known key: one of {KAFKA_KEYS} (did you mean topic?)",
            "source.batch_records: must be at least 1, was 0",
            "source.timeout_s: must be a number, was 'true'",
            "source.bootstrap: must be given",
            "source.topic: must be given",
        ],
    ),
    (
        "unknown detector",
        with_(detectors=["ew_zscor", {"detector": "isolation"}]),
        [
            f"detectors[0]: must be one of {NATIVE} (did you mean ew_zscore?), was 'ew_zscor'",
            f"detectors[1].detector: must be one of {NATIVE}, was 'isolation'",
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
        "a level out of reach",
        with_(detectors=["half_space_trees"], alert={"levels": {"watch": 2, "critical": 5.5}}),
        [f"alert.levels.critical: must be at most 5, {REACH}, was 5.5"],
    ),
    (
        "the severity of a running range is capped like any other",
        with_(detectors=[{"detector": "running_range", "fields": ["a"]}], alert={"levels": {"watch": 5.1}}),
        [f"alert.levels.watch: must be at most 5, {REACH}, was 5.1"],
    ),
    (
        "no default level in reach",
        with_(detectors=["half_space_trees"], combine={"cap": 2}),
        ["alert.levels: must be given: the parts reach 2 only, less than any default"],
    ),
    (
        "levels that do not rise",
        with_(alert={"levels": {"watch": 4, "critical": 4}}),
        ["alert.levels.critical: must be greater than the level below it, was 4"],
    ),
    (
        "no level",
        with_(alert={"levels": {}}),
        ["alert.levels: must give at least one of watch, warning and critical, was a mapping"],
    ),
    ("persistence", with_(persistence={"hits": 3, "of": 2}), ["persistence.of: must be at least `hits`, was 2"]),
    ("persistence out of range", with_(persistence={"of": 65}), ["persistence.of: must be at most 64, was 65"]),
    (
        "windows that do not fit",
        with_(window={"kind": "sliding", "size": "5m", "slide": "2m", "lateness": "2d", "max_jump": "1d"}),
        [
            "window.slide: must divide `size` without a rest, was '2m'",
            "window.max_jump: must be at least `lateness`, was '1d'",
        ],
    ),
    (
        "too many panes",
        with_(window={"kind": "sliding", "size": "1d", "slide": "1s", "aggregates": ["mean", "mean"]}),
        [
            "window.slide: must be at least a 1000th of `size` and `lateness` together, was '1s'",
            "window.aggregates: must name every aggregate once, was a list",
        ],
    ),
    (
        "a tumbling window slides nowhere",
        with_(window={"kind": "tumbling", "size": "0s", "slide": "1s"}),
        [
            "window.size: must be longer than nothing, was '0s'",
            "window.slide: must be a known key: one of size, aggregates, lateness, max_jump, kind (did you mean size?)",
        ],
    ),
    (
        "records",
        with_(record={"time": {"field": "", "format": "unix"}, "values": ["a", "a"], "series": [], "max_bytes": 1}),
        [
            "record.time.field: must not be empty, was ''",
            "record.time.format: must be one of iso8601, s, ms, us, ns, was 'unix'",
            "record.values: must name every field once, was a list",
            "record.max_bytes: must be at least 16, was 1",
        ],
    ),
    (
        "times",
        with_(record={"time": {"field": "t", "earliest": "2020-01-01", "latest": "soon"}, "values": ["a"]}),
        [
            "record.time.earliest: must carry an offset, such as Z, was '2020-01-01'",
            "record.time.latest: must be a moment such as 2024-01-31T00:00:00Z, was 'soon'",
        ],
    ),
    (
        "two origins of the series",
        with_(record={"time": {"field": "t"}, "values": ["a"], "series": ["s"], "series_from": "message_key"}),
        ["record.series_from: must be `fields` while `series` names some, was 'message_key'"],
    ),
    (
        "message keys of files",
        with_(
            source={"kind": "files", "path": "in/*.csv"},
            record={"time": {"field": "t"}, "values": ["a"], "series_from": "message_key"},
        ),
        ["record.series_from: must be fields: only messages have a key, was 'message_key'"],
    ),
    (
        "the record of a dataset",
        with_(source={"kind": "dataset", "name": "water_flow"}),
        ["record: must be left out: the dataset brings its own"],
    ),
    (
        "an unknown dataset",
        {key: value for key, value in with_(source={"kind": "dataset", "name": "x"}).items() if key != "record"},
        ["source.name: must be water_flow, was 'x'"],
    ),
    (
        "outputs into the input and into each other",
        with_(
            output={
                "alerts": {"kind": "file", "path": "out/x.jsonl"},
                "dead_letters": {"kind": "kafka", "bootstrap": "127.0.0.1:1,localhost:9092", "topic": "readings"},
                "outcomes": {"kind": "file", "path": "./out/x.jsonl"},
                "late": {"kind": "terminal"},
            }
        ),
        [
            "output.dead_letters.topic: must differ from the input, or the flow reads its own dead letters",
            "output.outcomes: must go to another place than output.alerts",
            "output.late: must be left out without `window`: nothing is late",
        ],
    ),
    (
        "limits that would cost windows",
        with_(
            window={"kind": "tumbling", "size": "5m", "lateness": "30s"},
            limits={"idle": "4m", "at_limit": "evict"},
        ),
        [
            "limits.idle: must be at least 330s, `window.size` and `window.lateness` together, was '4m'",
            (
                "limits.at_limit: must be reject with `window`: the series that is displaced would lose its open "
                "windows, was 'evict'"
            ),
        ],
    ),
    (
        "an output among the input files",
        with_(
            source={"kind": "files", "path": "data/**/*.jsonl"},
            output={"alerts": {"kind": "file", "path": "data/out/alerts.jsonl"}},
        ),
        ["output.alerts.path: must differ from the input, or the flow reads its own alerts"],
    ),
    (
        "outputs into one file, spelt in two ways",
        with_(
            output={
                "alerts": {"kind": "file", "path": "out/x.jsonl"},
                "outcomes": {"kind": "file", "path": "in/../out/x.jsonl"},
            }
        ),
        ["output.outcomes: must go to another place than output.alerts"],
    ),
    (
        "client settings are never shown",
        with_(
            source={
                "kind": "kafka",
                "bootstrap": "localhost:1",
                "topic": "t",
                "client": {"socket.timeout.ms": {"hunter2": 1}},
                "password": "hunter2",
            }
        ),
        [
            "source.client.socket.timeout.ms: must be text, a number, true or false, was a hidden value",
            f"source.password: must be a known key: one of {KAFKA_KEYS}",
        ],
    ),
    (
        "sections of the wrong shape",
        with_(combine=[1], limits={"series": "many"}, checkpoint={"every": "soon"}, metrics={"listen": "9464"}),
        [
            "combine: must be a mapping, was a list",
            "limits.series: must be a whole number, was 'many'",
            "checkpoint.every: must be a duration such as 250ms, 30s, 5m, 1h or 2d, was 'soon'",
            r"metrics.listen: must match ^(([^:\s\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5})?$, was '9464'",
        ],
    ),
    (
        "an unknown section does not hide what is wrong between the others",
        with_(extra=1, persistence={"hits": 2}),
        [
            f"extra: must be a known key: one of {SECTIONS}",
            "persistence.of: must be at least `hits`, was 1",
        ],
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
        "an output that is the input of the in-memory broker",
        with_(source={"kind": "memory", "topic": "x"}, output={"alerts": {"kind": "memory", "topic": "x"}}),
        ["output.alerts.topic: must differ from the input, or the flow reads its own alerts"],
    ),
    (
        "one bad section does not hide what is wrong between the others",
        with_(detectors=[{"detector": "ew_zscore", "fields": ["c"]}], persistence={"hits": 2}, limits={"series": 0}),
        [
            "detectors[0].fields[0]: must be one of a, b, was 'c'",
            "persistence.of: must be at least `hits`, was 1",
            "limits.series: must be at least 1, was 0",
        ],
    ),
    (
        "an unknown key does not hide what is wrong between its section and the others",
        with_(
            detectors=[
                {"detector": "ew_zscore", "half_lif": 3, "fields": ["a", "c"]},
                {"pyod": "IForest", "window": 1, "as": "ew_zscore"},
            ],
            alert={"bumpy": 1, "levels": {"critical": 16}},
            combine={"soft_threshold": -1},
        ),
        [
            f"detectors[0].half_lif: must be a known key: one of {EW_ZSCORE_KEYS} (did you mean half_life?)",
            "detectors[0].fields[1]: must be one of a, b, was 'c'",
            "detectors[1].window: must be at least 16, was 1",
            "detectors[1].as: must be a name of its own: detectors[0] has the same",
            f"alert.bumpy: must be a known key: one of {ALERT_KEYS} (did you mean bump?)",
            f"alert.levels.critical: must be at most 15, {REACH}, was 16",
            "combine.soft_threshold: must be at least 0, was -1",
        ],
    ),
    (
        "a bad entry does not hide what is wrong with the others",
        with_(detectors=["nope", {"detector": "ew_zscore", "fields": ["c"]}], alert={"levels": {"watch": 99}}),
        [
            f"detectors[0]: must be one of {NATIVE}, was 'nope'",
            "detectors[1].fields[0]: must be one of a, b, was 'c'",
        ],
    ),
    (
        "nothing is said of a rule whose key was misspelt",
        with_(
            windw={"kind": "tumbling", "size": "1m"},
            detectors=[{"detector": "ew_zscore", "fields": ["a.mean"]}, {"detector": "running_range", "field": ["c"]}],
            combine={"kap": 30},
            alert={"levels": {"watch": 20}},
            persistence={"hits": 2, "off": 3},
        ),
        [
            f"detectors[1].field: must be a known key: one of {RUNNING_RANGE_KEYS} (did you mean fields?)",
            f"windw: must be a known key: one of {SECTIONS} (did you mean window?)",
            "combine.kap: must be a known key: one of soft_threshold, cap (did you mean cap?)",
            "persistence.off: must be a known key: one of hits, of (did you mean of?)",
        ],
    ),
]


@pytest.mark.parametrize(("tree", "expected"), [row[1:] for row in BAD_FLOWS], ids=[row[0] for row in BAD_FLOWS])
def test_bad_flows(tree: Tree, expected: list[str]) -> None:
    """Every problem is reported at once, in the order of the file, in words that say what must hold."""
    assert lines(tree) == expected


INPUT = Path("data").absolute()


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data/a.jsonl", "data/a.jsonl"),
        ("data/a.jsonl", "./data/a.jsonl"),
        ("data/a.jsonl", "in/../data/a.jsonl"),
        ("data/a.jsonl", str(INPUT / "a.jsonl")),
        (str(INPUT / "*.jsonl"), "data/a.jsonl"),
        ("in/../data/*.jsonl", "data/a.jsonl"),
        ("data/*.jsonl", "data/a.jsonl"),
        ("data/**/*.jsonl", "data/a.jsonl"),
        ("data/**/*.jsonl", "data/x/y/a.jsonl"),
        ("**/*.jsonl", "a.jsonl"),
        ("data/**", "data/x/a.jsonl"),
        ("data/**/x/**/?.jsonl", "data/x/a.jsonl"),
        ("data/[ab].jsonl", "data/a.jsonl"),
        ("data/[ab].jsonl", "data/[ab].jsonl"),
    ],
)
def test_a_flow_must_not_read_its_own_output(pattern: str, path: str) -> None:
    """However input and output are spelt, one file is one file, and `**` also stands for no folder at all."""
    tree = with_(source={"kind": "files", "path": pattern}, output={"alerts": {"kind": "file", "path": path}})
    assert lines(tree) == ["output.alerts.path: must differ from the input, or the flow reads its own alerts"]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data/*.jsonl", "data/x/a.jsonl"),
        ("data/*/*.jsonl", "data/a.jsonl"),
        ("data/*.jsonl", "out/a.jsonl"),
        ("data/**/*.jsonl", "out/data/a.jsonl"),
        ("data/**/*.jsonl", "data/a.json"),
        ("data/**/*.jsonl", "data/.hidden/a.jsonl"),
        ("data/*.jsonl", "data/.a.jsonl"),
        ("data/a.jsonl", "/data/a.jsonl"),
    ],
)
def test_a_flow_may_write_beside_its_input(pattern: str, path: str) -> None:
    """A file that the input does not match is an output like any other; wildcards pass hidden files by."""
    tree = with_(source={"kind": "files", "path": pattern}, output={"alerts": {"kind": "file", "path": path}})
    assert parse_flow(tree).flow == "pumps"


def test_a_working_directory_is_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in the name of the folder that the program runs in mean themselves."""
    folder = tmp_path / "[x]"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tree = with_(
        source={"kind": "files", "path": "*.jsonl"},
        output={"alerts": {"kind": "file", "path": str(folder / "a.jsonl")}},
    )
    assert lines(tree) == ["output.alerts.path: must differ from the input, or the flow reads its own alerts"]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([], "flow file: must be a mapping, was a list"),
        (None, "flow file: must be a mapping, was nothing"),
        ("x", "flow file: must be a mapping, was 'x'"),
    ],
)
def test_a_flow_is_a_mapping(tree: object, expected: str) -> None:
    """Anything else is refused as a whole."""
    assert lines(tree) == [expected]


def test_long_values_are_cut() -> None:
    """A message shows the beginning of a long value, not all of it."""
    (line,) = lines(with_(flow="A" * 99))
    assert line == f"flow: must match ^[a-z0-9][a-z0-9-]*$, was '{'A' * 80}...'"


def test_values_of_the_environment_are_not_shown() -> None:
    """What came from a variable is named by its reference."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(with_(limits={"series": "hunter2"}), origins={("limits", "series"): "${SERIES}"})
    assert str(caught.value) == "limits.series: must be a whole number, was the content of ${SERIES}"


def test_earlier_complaints_stand_for_their_place() -> None:
    """A place that is known to be wrong is not complained of again; other places are."""
    with pytest.raises(ConfigError) as caught:
        parse_flow(with_(flow="${X", limits={"series": 0}), complaints=[Complaint(("flow",), "must be set")])
    assert caught.value.problems == (
        Problem("flow", "must be set"),
        Problem("limits.series", "must be at least 1, was 0"),
    )


def test_a_good_flow_with_earlier_complaints_is_refused() -> None:
    """What was wrong before stays wrong."""
    with pytest.raises(ConfigError, match="detectors: must be given once"):
        parse_flow(minimal(), complaints=[Complaint(("detectors",), "must be given once")])


def test_secrets_stay_out_of_representations() -> None:
    """A logged flow does not show client settings."""
    tree = with_(source={**minimal()["source"], "client": {"plugin.library.paths": "hunter2"}})
    assert "hunter2" not in repr(parse_flow(tree))


def test_built_directly_it_is_checked_as_well() -> None:
    """The rules between sections hold for flows that no file describes."""
    with pytest.raises(ValidationError, match="must be at least `hits`"):
        FlowSpec.model_validate(with_(persistence={"hits": 2}))


# Fingerprints


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


# Detectors added later


def test_every_option_of_every_detector_is_a_key() -> None:
    """Adding a detector or an option touches no code of the specification."""
    definitions: Any = flow_schema()["$defs"]
    for name, detector in NATIVE_DETECTORS.items():
        for key in detector.options.__dataclass_fields__:
            bound = detector.options.bound(key)
            documented = definitions[name]["properties"][key]
            assert bound.help.lower() in documented["description"].lower()


def test_an_option_must_not_hide_a_key_of_every_part() -> None:
    """A detector whose option is called like a common key is our bug, found at import."""
    from dataclasses import dataclass, replace

    @dataclass(frozen=True)
    class Clashing(Options):
        """Clashes."""

        direction: float = option(1.0, "which way", low=0.0, high=2.0)

    clashing: Detector = replace(EW_ZSCORE, name="clashing", options=Clashing)
    with pytest.raises(TypeError, match="options of clashing must not be called direction"):
        native_part(clashing)


def test_options_that_disagree_are_reported_at_their_key() -> None:
    """A rule between options, which only the detector knows, is reported like any other."""
    from dataclasses import dataclass, replace

    @dataclass(frozen=True)
    class Pair(Options):
        """Two numbers in order."""

        low: float = option(1.0, "lower", low=0.0, high=9.0)
        high: float = option(2.0, "upper", low=0.0, high=9.0)

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.low > self.high:
                raise ConfigError(Problem("high", f"must be at least low, was {self.high}"))

    section = native_part(replace(EW_ZSCORE, name="pair", options=Pair))
    with pytest.raises(ValidationError) as caught:
        section.model_validate({"detector": "pair", "low": 3})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("high",), "must be at least low, was 2.0")


# Explanations, schema, pages


def test_explanation_of_rates() -> None:
    """Evidence e of one part means 10^-(e + 1): about 501 of a million at 2.3, 10 at 4."""
    text = str(explain(parse_flow(with_(detectors=[{"detector": "ew_zscore", "as": name} for name in "xy"]))))
    assert "watch from evidence 2.3: noise takes one part there in about 501 of a million records." in text
    assert "warning from evidence 4: noise takes one part there in about 10 of a million records." in text
    assert "critical from evidence 6: at least 2 parts at once." in text


def test_explanation_names_everything() -> None:
    """Input, window, series, detectors, outputs, limits and the state are told."""
    flow = parse_flow(
        with_(
            description="Watch\nthem.",
            window={"kind": "tumbling", "size": "5m", "lateness": "30s"},
            detectors=[
                {"detector": "ew_zscore", "fields": ["a.mean"]},
                {"pyod": "IForest"},
                {"river": "LODA", "as": "l"},
            ],
            persistence={"hits": 2, "of": 3},
            output={
                **minimal()["output"],
                "late": {"kind": "terminal"},
                "dead_letters": {"kind": "memory", "topic": "dlq"},
                "outcomes": {"kind": "file", "path": "o.jsonl"},
            },
            limits={"series": 10, "idle": "6m"},
            checkpoint={"every": 90},
            metrics={"listen": "localhost:1"},
        )
    )
    text = str(explain(flow))
    for told in (
        "Flow pumps\n  Watch\n  them.\n",
        "Reads topic readings of Kafka at localhost:9092, from the earliest record on.",
        "Time is `ts`, ISO 8601 text; values are `a`, `b`.",
        "Every value of `pump` is a series of its own.",
        "Detectors see `mean` over 5m of event time, every 5m, not single records.",
        "A window closes when a record of its stream is 30s past its end",
        "ew_zscore looks at `a.mean`: distance from",
        "IForest looks at `a.mean`, `b.mean` together: PyOD's IForest, fitted on the last 1,000 windows of each series",
        "l looks at `a.mean`, `b.mean` together: River's LODA",
        "Only when 2 of a series' last 3 windows reach the level.",
        "Alerts go to topic alerts of Kafka at localhost:9092.",
        "Rejected records go to topic dlq of the in-memory broker default.",
        "Late records go to the terminal.",
        "Outcomes of records and windows that are not normal go to file o.jsonl.",
        "Metrics for Prometheus are served at http://localhost:1/metrics.",
        "every 90s, or less often to spend at most 5% on it",
        f"{bytes_per_series(flow):,} bytes a series; at most 10 series",
        "further ones are rejected.\n  A series is forgotten when its partition has gone on for 6m without it.",
        flow.fingerprint(),
    ):
        assert told in text


@pytest.mark.parametrize(
    ("source", "record", "told"),
    [
        ({"kind": "files", "path": "x/*.csv"}, {}, "Reads x/*.csv to the end, then ends; every file is a stream"),
        ({"kind": "files", "path": "x", "follow": True}, {}, "Reads x to the end, then waits for more"),
        ({"kind": "memory", "topic": "x"}, {"series_from": "message_key"}, "Every message key is a series of its own."),
        ({"kind": "memory", "topic": "x"}, {}, "Reads topic x of the in-memory broker default."),
        ({"kind": "files", "path": "x"}, {}, "Every input partition or file is one series."),
        (
            {"kind": "files", "path": "x"},
            {"values": [f"v{n}" for n in range(10)]},
            "values are `v0`, `v1`, `v2`, `v3`, `v4`, `v5`, `v6`, `v7` and 2 more.",
        ),
    ],
)
def test_explanation_of_the_input(source: Tree, record: Tree, told: str) -> None:
    """Every kind of source and of series has its sentence."""
    tree = with_(source=source, record={"time": {"field": "t"}, "values": ["a"], **record})
    assert told in str(explain(parse_flow(tree)))


def test_explanation_of_a_dataset() -> None:
    """A dataset is named, and so are outputs into files."""
    tree = with_(
        source={"kind": "dataset", "name": "water_flow"}, output={"alerts": {"kind": "file", "path": "a.jsonl"}}
    )
    del tree["record"]
    text = str(explain(parse_flow(tree)))
    assert "Reads the bundled dataset water_flow, then ends." in text
    assert "Alerts go to file a.jsonl." in text


def test_state_size_is_that_of_the_engine() -> None:
    """The memory told beforehand is the memory that scoring takes."""
    from pynomaly.domain.calibration import calibrator_layout

    flow = parse_flow(with_(detectors=[{"detector": "ew_zscore", "fields": ["a"]}]))
    part = 24 + calibrator_layout(CalibrationOptions()).bytes_per_series
    assert part < bytes_per_series(flow) < part + 400  # and what the decision remembers of a series


def test_schema_file_is_current() -> None:
    """The committed JSON Schema is what the models give."""
    committed = (ROOT / "flows" / "schema" / "flow.schema.json").read_text()
    assert committed == schema_text(), (
        "flows/schema/flow.schema.json must be current: "
        "python -m pynomaly.application.spec.schema > flows/schema/flow.schema.json"
    )


def test_reference_page_is_current() -> None:
    """The committed page of keys is what the models give."""
    committed = (ROOT / "docs" / "flow-reference.md").read_text()
    assert committed == flow_page(), (
        "docs/flow-reference.md must be current: python -m pynomaly.application.spec.page > docs/flow-reference.md"
    )


def test_reference_page_links_to_its_own_headings() -> None:
    """Every link of the page leads somewhere."""
    import re

    page = flow_page()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= headings
