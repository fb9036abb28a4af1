"""`pynomaly alerts tail`: what a flow has written, shown as it comes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from brokers.alert_logs import FileAlertLog, KafkaAlertLog, alert, messages
from brokers.kafka_topics import KafkaTopics, until
from brokers.mock_cluster import MockCluster
from commands.program import running
from pynomaly.domain.outcome import Level
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.codecs.cloudevents import encode, structured

_FLOW = """
flow: pumps
source: {kind: memory, topic: readings}
record: {time: {field: ts, format: ms}, values: [value]}
detectors: [ew_zscore]
output: {alerts: {kind: file, path: alerts.jsonl}}
"""


@pytest.fixture(autouse=True)
def _flow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a flow whose alerts go to a file into the test's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").write_text(_FLOW)


@pytest.fixture
def output(tmp_path: Path) -> FileAlertLog:
    """The file of the flow's alerts."""
    return FileAlertLog(tmp_path / "alerts.jsonl")


def shown(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> list[int]:
    """Run the command to the end of the file; return the numbers of the alerts that it printed as JSON."""
    assert main(["alerts", "tail", "flow.yaml", "--until-end", "--json", *arguments]) == 0
    return [json.loads(line)["data"]["stream"]["offset"] for line in capfdbinary.readouterr().out.splitlines()]


def test_json_lines_are_those_of_the_file(output: FileAlertLog, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What is printed is byte for byte what the flow wrote."""
    output.append(messages(range(5)))
    assert main(["alerts", "tail", "flow.yaml", "--until-end", "--json"]) == 0
    printed = capfdbinary.readouterr().out
    assert printed == b"".join(structured(message) + b"\n" for message in messages(range(5)))


def test_people_read_lines(output: FileAlertLog, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Time, level, series, values and evidence, an alert a line."""
    output.append([encode(alert(3, "pump \x1b[31m", Level.CRITICAL))])
    assert main(["alerts", "tail", "flow.yaml", "--until-end"]) == 0
    printed = capfdbinary.readouterr().out.decode()
    series = "pump \N{REPLACEMENT CHARACTER}[31m"
    assert printed == f"2023-11-14T22:13:23Z  CRITICAL  {series}  value 3  evidence 2.93 (bar 2.30)\n"


def test_repeats_are_shown_unless_once(output: FileAlertLog, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """--once leaves out what the flow wrote again."""
    output.append(messages([0, 1, 1, 0, 2]))
    assert shown(capfdbinary) == [0, 1, 1, 0, 2]
    assert shown(capfdbinary, "--once") == [0, 1, 2]


def test_level_series_and_time_choose(output: FileAlertLog, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Only alerts of the level and above, of series like the pattern, from the event time on."""
    output.append([encode(alert(1, "fan-1", Level.CRITICAL)), encode(alert(2, "pump-2", Level.WARNING))])
    output.append([encode(alert(3, "pump-3", Level.WATCH)), encode(alert(4, "pump-4", Level.CRITICAL))])
    assert shown(capfdbinary, "--level", "warning") == [1, 2, 4]
    assert shown(capfdbinary, "--series", "pump-*") == [2, 3, 4]
    assert shown(capfdbinary, "--from", "2023-11-14T22:13:23Z") == [3, 4]
    assert shown(capfdbinary, "--from", "latest") == []


def test_a_position_file_goes_on(output: FileAlertLog, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What was shown is not shown again, and neither are repeats of it."""
    output.append(messages(range(3)))
    keep = ("--once", "--position", "kept/position.json")
    assert shown(capfdbinary, *keep) == [0, 1, 2]
    output.append(messages([1, 2, 3]))
    assert shown(capfdbinary, *keep) == [3]
    assert shown(capfdbinary, *keep) == []


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 78, "FLOW: must be given, or --topic and --bootstrap instead of it, was nothing"),
        (["flow.yaml", "--topic", "x"], 78, "was FLOW and --topic"),
        (["--topic", "x"], 78, "was --topic"),
        (["flow.yaml", "--from", "yesterday"], 78, "--from: must be earliest, latest or a time"),
        (["flow.yaml", "--position", "flow.yaml"], 65, "position must be one that a reader of alerts gave"),
        (["flow.yaml"], 66, "file must exist, was 'alerts.jsonl': start the flow that writes it first"),
        (["terminal.yaml"], 78, "output.alerts: must be a topic or a file to be read back, was the terminal"),
    ],
)
def test_what_cannot_be_read_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, text: str
) -> None:
    """One line says what must hold."""
    (tmp_path / "terminal.yaml").write_text(_FLOW.replace("{kind: file, path: alerts.jsonl}", "{kind: terminal}"))
    if status == 65:
        (tmp_path / "alerts.jsonl").touch()
    assert main(["alerts", "tail", *arguments]) == status
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert text in errors[0]


def test_a_topic_is_followed_live(mock_cluster: MockCluster, tmp_path: Path, unique_name: Callable[[str], str]) -> None:
    """Alerts appear while the command runs; interrupted, it has kept where it was."""
    output = KafkaAlertLog(KafkaTopics(mock_cluster.bootstrap, mock_cluster), unique_name("alerts"), 2)
    where = ("--topic", output.spec.topic, "--bootstrap", mock_cluster.bootstrap)
    command = ("alerts", "tail", *where, "--once", "--json", "--position", "position.json", "--from", "earliest")
    position = tmp_path / "position.json"

    def read() -> int:
        """Return how many messages the kept position has passed."""
        kept = json.loads(position.read_text())["partitions"] if position.exists() else {}
        return sum(json.loads(token)["offset"] for token in kept.values())

    taken, count = list[int](), 0
    for written, news in (([0, 1, 2], 3), ([1, 2, 3, 4], 2)):
        output.append(messages(written))
        count += len(written)
        with running(*command, folder=tmp_path) as process:
            assert process.stdout is not None
            taken += [json.loads(process.stdout.readline())["data"]["stream"]["offset"] for _ in range(news)]
            until(lambda count=count: read() == count, "the position is kept")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    assert sorted(taken) == [0, 1, 2, 3, 4]
