"""What is said of bad flows, section by section and between sections."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pynomaly.application.spec.flow import FlowSpec
from unit.smallest_flow import Tree, lines, minimal, with_

SECTIONS = (
    "flow, description, source, record, dedupe, window, detectors, combine, persistence, alert, output, limits, "
    "checkpoint, state, metrics"
)
KAFKA_KEYS = (
    "bootstrap, security, client, timeout_s, kind, topic, group, start, keying, repartition, new_partitions, "
    "out_of_range, tombstones, "
    "format, schema_registry, reader, decoder, batch_records, outage_s"
)
PART_KEYS = "as, fields, calibration, detector, direction, minimum_absolute, minimum_relative, guard"
EW_ZSCORE_KEYS = f"{PART_KEYS}, half_life, warm_up"
RUNNING_RANGE_KEYS = f"{PART_KEYS}, base, slope, tolerance, warm_up, half_life"
ALERT_KEYS = "levels, bump, bump_half_life, habituation, habituation_half_life, habituation_from, sampling_slope"


REACH = "the highest evidence of these detectors (parts times combine.cap)"


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


def test_built_directly_it_is_checked_as_well() -> None:
    """The rules between sections hold for flows that no file describes."""
    with pytest.raises(ValidationError, match="must be at least `hits`"):
        FlowSpec.model_validate(with_(persistence={"hits": 2}))
