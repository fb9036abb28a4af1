"""What the explanation of a flow says: rates, inputs, outputs, limits and memory."""

from __future__ import annotations

import pytest

from pynomaly.application.spec.explain import bytes_per_series, explain
from pynomaly.application.spec.parse import parse_flow
from pynomaly.domain.calibration import CalibrationOptions
from unit.smallest_flow import Tree, minimal, with_


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
