"""Flows from YAML files: parsing, references to the environment, and what is said of files that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.source import KafkaSource
from pynomaly.domain.error import ConfigError, MissingInputError
from pynomaly.infrastructure.flow_file import load_flow

FLOW = """\
flow: pumps
source:
  kind: kafka
  bootstrap: ${BROKER}
  topic: ${TOPIC:-readings}
  batch_records: ${BATCH:-500}
record:
  time: {field: ts, format: ms}
  values: [value]
detectors: [ew_zscore]
output:
  alerts: {kind: terminal}
"""


def load(folder: Path, text: str | bytes, **environment: str) -> FlowSpec:
    """Load a flow from text."""
    path = folder / "flow.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_flow(path, environment)


def lines(folder: Path, text: str | bytes, **environment: str) -> list[str]:
    """Return what is said of a bad file, line by line, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environment)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def kafka_of(flow: FlowSpec) -> KafkaSource:
    """Return the flow's source."""
    assert isinstance(flow.source, KafkaSource)
    return flow.source


def test_references_are_resolved(tmp_path: Path) -> None:
    """Set variables and defaults take their places; a number becomes a number where one belongs."""
    source = kafka_of(load(tmp_path, FLOW, BROKER="localhost:9092,127.0.0.1:9093"))
    assert (source.bootstrap, source.topic, source.batch_records) == ("localhost:9092,127.0.0.1:9093", "readings", 500)
    source = kafka_of(load(tmp_path, FLOW, BROKER="localhost", TOPIC="t", BATCH="7"))
    assert (source.topic, source.batch_records) == ("t", 7)


def test_an_empty_variable_takes_the_default(tmp_path: Path) -> None:
    """As in a shell, `:-` stands for missing and for empty variables."""
    assert kafka_of(load(tmp_path, FLOW, BROKER="localhost", TOPIC="")).topic == "readings"


def test_references_stand_inside_text_and_can_be_escaped(tmp_path: Path) -> None:
    """Several references in one scalar, text around them, and the characters themselves."""
    text = FLOW.replace("${BROKER}", "'${HOST}:${PORT:-9092}/$${HOST}'")
    assert kafka_of(load(tmp_path, text, HOST="localhost")).bootstrap == "localhost:9092/${HOST}"


@pytest.mark.parametrize(
    "content", ["x, kind: terminal}", "a: b", "[1]", "&x *x", "${BROKER}", "!!python/name:os.system"]
)
def test_variables_cannot_change_the_structure(tmp_path: Path, content: str) -> None:
    """Whatever a variable holds stays one piece of text."""
    assert kafka_of(load(tmp_path, FLOW, BROKER="localhost", TOPIC=content)).topic == content


def test_missing_variables_are_reported_with_everything_else(tmp_path: Path) -> None:
    """One round tells of missing variables, wrong values and rules between sections, in the order of the file."""
    text = FLOW.replace("[ew_zscore]", "[{detector: ew_zscore, fields: [x]}]").replace("flow: pumps", "flow: Pumps")
    assert lines(tmp_path, text, BATCH="many") == [
        "flow: must match ^[a-z0-9][a-z0-9-]*$, was 'Pumps'",
        "source.bootstrap: must have the environment variable BROKER, which is not set",
        "source.batch_records: must be a whole number, was the content of ${BATCH}",
        "detectors[0].fields[0]: must be value, was 'x'",
    ]


@pytest.mark.parametrize("reference", ["${BROKER", "${}", "${1X}", "${X:+y}", "${A:-${B}}", "a ${ b"])
def test_malformed_references(tmp_path: Path, reference: str) -> None:
    """What looks like a reference and is none is a mistake, not text."""
    rule = "must refer to the environment as ${NAME} or ${NAME:-default} (write $${ for the characters ${)"
    assert lines(tmp_path, FLOW.replace("${BROKER}", f"'{reference}'"), X="x") == [f"source.bootstrap: {rule}"]


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Neither the content of variables nor client settings appear in any message."""
    text = FLOW.replace("topic: ${TOPIC:-readings}", "topic: [a]\n  client: {socket.timeout.ms: [hunter2], x: '${PW}'}")
    text = text.replace("field: ts", "field: '${PW}'\n    , earliest: '${PW}'").replace(
        "kind: terminal", "kind: '${PW}'"
    )
    said = lines(tmp_path, text, BROKER="localhost", PW="hunter2", BATCH="hunter2")
    assert len(said) == 5
    assert "hunter2" not in "\n".join(said)
    assert "output.alerts.kind: must be one of kafka, file, terminal, memory, was the content of ${PW}" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "flow.yaml: must hold a flow, was empty"),
        ("# only words\n", "flow.yaml: must hold a flow, was empty"),
        ("[1, 2]", "flow file: must be a mapping, was a list"),
        ("flow: [a", "flow.yaml:1:9: must be plain YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "flow: a\n\tsource: b",
            "flow.yaml:2:1: must be plain YAML: found character '\\t' that cannot start any token",
        ),
        ("a: 1\n---\nb: 2", "flow.yaml:2:1: must be plain YAML: but found another document"),
        ("flow: *x", "flow.yaml:1:7: must be plain YAML: found undefined alias 'x'"),
        ("flow: 2024-02-31", "flow.yaml: must be plain YAML: ValueError"),
        (b"flow: \xff\xfe", "flow.yaml: must be plain YAML: ReaderError"),
        ("[" * 5_000, "flow.yaml: must be plain YAML: RecursionError"),
        ("[" * 50 + "]" * 50, "flow file: must hold at most 100000 values, nested at most 40 deep"),
        ("a: &a [*a]", "flow file: must hold at most 100000 values, nested at most 40 deep"),
    ],
)
def test_files_that_are_no_flow(tmp_path: Path, text: str | bytes, expected: str) -> None:
    """What is no YAML is refused with line and column, without quoting the line."""
    assert lines(tmp_path, text) == [expected]


def test_tags_of_python_are_refused(tmp_path: Path) -> None:
    """A file can make no Python objects."""
    (said,) = lines(tmp_path, "flow: !!python/object/apply:os.system [ls]")
    assert said.startswith("flow.yaml:1:7: must be plain YAML: could not determine a constructor for the tag")


def test_aliases_that_explode_are_refused(tmp_path: Path) -> None:
    """A few lines of YAML cannot become millions of values."""
    doublings = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    assert lines(tmp_path, "a0: &a0 [x]\n" + doublings) == [
        "flow file: must hold at most 100000 values, nested at most 40 deep"
    ]


def test_repeated_keys_are_refused(tmp_path: Path) -> None:
    """YAML would keep the last one silently; both lines are named."""
    text = FLOW.replace("flow: pumps", "flow: pumps\nlimits: {series: 5, series: 6}") + "flow: pipes\n"
    assert lines(tmp_path, text, BROKER="localhost") == [
        "flow: must be given once, was given in line 1 and in line 14",
        "limits.series: must be given once, was given in line 2 and in line 2",
    ]


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    """Plain YAML may share sections."""
    text = FLOW.replace("[ew_zscore]", "\n- &z {detector: ew_zscore, half_life: 9}\n- {<<: *z, as: second}")
    assert [part.name for part in load(tmp_path, text, BROKER="localhost").parts] == ["ew_zscore", "second"]


def test_json_is_yaml(tmp_path: Path) -> None:
    """A dumped flow is a file again."""
    flow = load(tmp_path, FLOW, BROKER="localhost")
    assert load(tmp_path, flow.model_dump_json(by_alias=True)) == flow


def test_missing_files(tmp_path: Path) -> None:
    """A file that is not there is missing input, not a bad flow."""
    with pytest.raises(MissingInputError, match=r"nowhere\.yaml must be a readable file, was not: No such file"):
        load_flow(tmp_path / "nowhere.yaml", {})
    with pytest.raises(MissingInputError, match="must be a readable file, was not: Is a directory"):
        load_flow(tmp_path, {})


def test_documented_mistakes_are_those_that_are_found(tmp_path: Path) -> None:
    """The example of docs/flow-spec.md is a real run: its flow, its changes, and every line that is said of them."""
    page = (Path(__file__).parents[2] / "docs" / "flow-spec.md").read_text()
    flow = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    part = page.partition("## What is wrong with it")[2]
    (changes,) = re.findall(r"```yaml\n(.*?)```", part, re.DOTALL)
    (said,) = re.findall(r"```text\n(.*?)```", part, re.DOTALL)
    text = yaml.safe_dump({**flow, **yaml.safe_load(changes)}, sort_keys=False)
    assert lines(tmp_path, text, KAFKA_BOOTSTRAP="localhost:9092") == said.splitlines()
