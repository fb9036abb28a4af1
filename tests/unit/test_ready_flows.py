"""The ready flows and the examples of the documentation: they load, fit the JSON Schema and say what they need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow
from pynomaly.application.spec.sink import FileSink
from pynomaly.application.spec.source import DatasetSource
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Level
from pynomaly.infrastructure.flow_file import load_flow

ROOT = Path(__file__).parents[2]
FLOWS = ROOT / "flows"
READY = sorted(FLOWS.glob("*.yaml"))
KAFKA = {"KAFKA_BOOTSTRAP": "localhost:9092", "KAFKA_INPUT_TOPIC": "readings", "KAFKA_ALERT_TOPIC": "alerts"}

#: What each ready flow must be given; everything else has a default.
NEEDS = {
    "csv-folder": {},
    "kafka": KAFKA,
    "multivariate": {"MACHINE_CSV": "machine.csv"},
    "quickstart": {},
    "refit": {"RECORDS": "data/*.jsonl"},
    "water": KAFKA,
    "windowed": KAFKA,
}


def ready(name: str) -> FlowSpec:
    """Load a ready flow with what it needs and nothing else."""
    return load_flow(FLOWS / f"{name}.yaml", NEEDS[name])


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Return a validator of the committed schema."""
    schema: Any = json.loads((FLOWS / "schema" / "flow.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_every_ready_flow_is_known_here() -> None:
    """A new ready flow gets its needs stated."""
    assert {path.stem for path in READY} == set(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_ready_flow_loads(name: str) -> None:
    """Each is sound and is called like its file."""
    assert ready(name).flow == name


@pytest.mark.parametrize("name", NEEDS)
def test_ready_flow_names_what_it_needs(name: str) -> None:
    """Without a variable it says which one; with the stated ones it needs no other."""
    if not NEEDS[name]:
        return
    with pytest.raises(ConfigError) as caught:
        load_flow(FLOWS / f"{name}.yaml", {})
    said = {match for problem in caught.value.problems for match in re.findall("variable ([A-Z_]+)", problem.rule)}
    assert said == set(NEEDS[name])


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_flow_fits_the_schema(path: Path, validator: Draft202012Validator) -> None:
    """The file as it stands, references included, is valid for editors, which find the schema by its first line."""
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=schema/flow.schema.json\n")
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"flow": "No Name"},
        {"source": {"kind": "dataset", "name": "other"}},
        {"record": {"time": {"field": "t"}, "values": ["v"]}},
        {"detectors": ["ew_zscor"]},
        {"detectors": [{"detector": "ew_zscore", "half_life": 0}]},
        {"detectors": [{"detector": "ew_zscore", "slots": 3}]},
        {"window": {"kind": "tumbling", "size": "5 minutes"}},
        {"window": {"kind": "sliding", "size": "5m"}},
        {"limits": {"series": "x"}},
        {"alert": {"level": {}}},
        {"extra": 1},
    ],
)
def test_schema_refuses_what_the_program_refuses(change: dict[str, Any], validator: Draft202012Validator) -> None:
    """An editor marks the mistakes that the program would find."""
    tree = {**yaml.safe_load((FLOWS / "quickstart.yaml").read_text()), **change}
    assert not validator.is_valid(tree)
    with pytest.raises(ConfigError):
        parse_flow(tree)


def test_schema_takes_references_for_any_scalar(validator: Draft202012Validator) -> None:
    """Numbers, words and durations may come from the environment."""
    tree = yaml.safe_load((FLOWS / "quickstart.yaml").read_text())
    tree["limits"] = {"series": "${SERIES}"}
    tree["window"] = {"kind": "tumbling", "size": "${SIZE:-5m}"}
    tree["detectors"] = [{"detector": "ew_zscore", "direction": "${SIDE}", "half_life": "${HALF_LIFE:-9}"}]
    assert validator.is_valid(tree)


def test_kafka_flow() -> None:
    """It reads and writes the topics that it is given, needs no third one, and every level is in reach."""
    flow = ready("kafka")
    assert flow.model_dump(by_alias=True, include={"record", "source", "output"}, exclude_defaults=True) == {
        "source": {
            "kind": "kafka",
            "bootstrap": "localhost:9092",
            "topic": "readings",
            "group": "pynomaly",
        },
        "record": {"time": {"field": "ts", "format": "ms"}, "values": ("value",), "series": ("series",)},
        "output": {
            "alerts": {"kind": "kafka", "bootstrap": "localhost:9092", "topic": "alerts"},
            "dead_letters": {"kind": "file", "path": "out/kafka/dead-letters.jsonl"},
        },
    }
    assert [part.name for part in flow.parts] == ["ew_zscore"]
    assert flow.levels == {Level.WATCH: 2.3, Level.WARNING: 4.0}
    assert flow.metrics.address is None


@pytest.mark.parametrize("name", NEEDS)
def test_ready_flow_loses_nothing_that_it_rejects(name: str) -> None:
    """What cannot be used keeps its bytes in dead letters of the flow's own; a dataset has nothing malformed."""
    flow = ready(name)
    sink = flow.output.dead_letters
    if isinstance(flow.source, DatasetSource):
        assert sink is None
    else:
        assert isinstance(sink, FileSink)
        assert sink.path == f"out/{name}/dead-letters.jsonl"


@pytest.mark.parametrize("name", NEEDS)
def test_ready_flow_answers_the_health_check_of_the_image(name: str) -> None:
    """Whatever reads from outside serves metrics and health where METRICS_LISTEN says, and nowhere by default."""
    flow = load_flow(FLOWS / f"{name}.yaml", {**NEEDS[name], "METRICS_LISTEN": "0.0.0.0:9464"})
    listens = not isinstance(flow.source, DatasetSource)
    assert flow.metrics.address == (("0.0.0.0", 9464) if listens else None)  # noqa: S104 - as the image sets it
    assert ready(name).metrics.address is None


def test_quickstart_knows_enough_before_the_first_anomaly() -> None:
    """Its data is short and the first leak begins near record 90: every part must judge by then."""
    for part in ready("quickstart").parts:
        warm_up = part.spec.model_dump().get("warm_up", 0)
        assert warm_up <= 72
        if part.spec.title != "running_range":  # whose scores are severities already
            assert part.spec.calibration.warm_up <= 72


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_whole_flows_in_the_documentation_are_sound(page: Path) -> None:
    """A YAML example that begins like a flow is one."""
    for example in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        tree = yaml.safe_load(example)
        if isinstance(tree, dict) and "flow" in tree:
            assert parse_flow(tree).flow == tree["flow"]
