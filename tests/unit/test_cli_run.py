"""`pynomaly run`: what an operator reads, and with which status it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from commands.program import pynomaly, running

_QUICKSTART = Path(__file__).parents[2] / "flows" / "quickstart.yaml"
_FOLLOWING = """
flow: following
source: {kind: files, path: data.csv, follow: true}
record: {time: {field: time, format: s}, values: [value]}
detectors: [ew_zscore]
output: {alerts: {kind: file, path: alerts.jsonl}}
checkpoint: {every: 100ms}
"""
_SILENT_BROKER = """
flow: silent
source: {{kind: kafka, bootstrap: "127.0.0.1:{port}", topic: records, timeout_s: 1}}
record: {{time: {{field: time}}, values: [value]}}
detectors: [ew_zscore]
output: {{alerts: {{kind: file, path: alerts.jsonl}}}}
"""


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quickstart has run once."""
    folder = tmp_path_factory.mktemp("quickstart")
    first = pynomaly("run", _QUICKSTART, folder=folder)
    assert first.returncode == 0, first.stderr
    (folder / "first.txt").write_text(first.stdout)
    (folder / "first.log").write_text(first.stderr)
    return folder


def _summary(text: str) -> str:
    return " ".join(text.split())


def test_the_first_line_says_what_will_happen(quickstart: Path) -> None:
    """Flow, source, state folder and where the alerts go, before anything is read."""
    first = json.loads((quickstart / "first.log").read_text().splitlines()[0])
    assert (first["event"], first["flow"], first["source"]) == ("flow_starting", "quickstart", "dataset water_flow")
    assert (first["state"], first["alerts"]) == ("state/quickstart", "out/quickstart/alerts.jsonl")


def test_the_summary_adds_up(quickstart: Path) -> None:
    """Every record has an outcome; the counts of alerts are those of the file; the labels are met."""
    told = _summary((quickstart / "first.txt").read_text())
    alerts = [json.loads(line) for line in (quickstart / "out/quickstart/alerts.jsonl").read_text().splitlines()]
    assert told.startswith("quickstart: 1,268 records in ")
    assert f"alerts {len(alerts)} (" in told
    assert f"{len(alerts)} are in out/quickstart/alerts.jsonl" in told
    assert "labels 4 of 4 labelled segments hit, " in told
    assert told.endswith("state state/quickstart")
    assert "▲" not in told, "pictures are for terminals"


def test_a_second_run_says_that_there_is_nothing_new(quickstart: Path) -> None:
    """It goes on where the first one ended, adds no alert and says how to start over."""
    before = (quickstart / "out/quickstart/alerts.jsonl").read_bytes()
    again = pynomaly("run", _QUICKSTART, folder=quickstart)
    assert again.returncode == 0
    assert _summary(again.stdout).startswith("quickstart: nothing new in dataset water_flow since 20")
    assert "start over with --reset-state" in again.stdout
    assert (quickstart / "out/quickstart/alerts.jsonl").read_bytes() == before


def test_starting_over_repeats_the_same_alerts(quickstart: Path) -> None:
    """--reset-state judges all again, with the same ids; --json holds the same counts as the text."""
    lines = (quickstart / "out/quickstart/alerts.jsonl").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in lines}
    again = pynomaly("run", _QUICKSTART, "--reset-state", "--json", folder=quickstart)
    told = json.loads(again.stdout)
    assert (told["records"], sum(told["outcomes"].values()), sum(told["reasons"].values())) == (1268, 1268, 1268)
    assert (told["labels"]["segments"], told["labels"]["hits"]) == (4, 4)
    assert told["labels"]["alert_rows"] == sum(told["alerts"].values()) == told["alerts_in_file"] == len(ids)
    repeated = (quickstart / "out/quickstart/alerts.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in repeated} == ids


def test_a_drained_flow_ends_well_and_goes_on(tmp_path: Path) -> None:
    """SIGTERM lets a following flow finish what it read: status 0, a summary, and the next run reads the rest."""
    _follow(tmp_path)
    with running("run", "flow.yaml", folder=tmp_path) as process:
        _wait_for_alert(tmp_path)
        process.send_signal(signal.SIGTERM)
        told, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert _summary(told).startswith("following: 401 records in ")
    with (tmp_path / "data.csv").open("a") as file:
        file.write("1700030000,20\n1700030060,21\n")
    rest = json.loads(pynomaly("run", "flow.yaml", "--until-end", "--json", folder=tmp_path).stdout)
    assert (rest["records"], rest["alerts"], rest["alerts_in_file"]) == (2, {}, 1)
    assert rest["resumed_from"] is not None


def _follow(folder: Path) -> None:
    """Prepare a flow that follows a file, whose 401st record is an anomaly."""
    (folder / "flow.yaml").write_text(_FOLLOWING)
    rows = [f"{1_700_000_000 + 60 * row},{20 + row % 5}" for row in range(400)]
    (folder / "data.csv").write_text("\n".join(["time,value", *rows, "1700024000,900", ""]))


def _wait_for_alert(folder: Path) -> None:
    deadline = time.monotonic() + 90
    alerts = folder / "alerts.jsonl"
    while not (alerts.exists() and alerts.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_bad_flow(tmp_path: Path) -> None:
    """Every mistake has its line; nothing is started."""
    (tmp_path / "flow.yaml").write_text(_FOLLOWING.replace("[ew_zscore]", "[zscore]").replace("follow:", "folow:"))
    ended = pynomaly("run", "flow.yaml", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (78, "")
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("error: source.folow: must be a known key")
    assert lines[1].startswith("error: detectors[0]: must be one of auto, ew_zscore")
    assert len(lines) == 2
    assert not (tmp_path / "state").exists()


def test_a_missing_flow_and_a_missing_input(tmp_path: Path) -> None:
    """Both are 66, and say what is missing."""
    assert pynomaly("run", "none.yaml", folder=tmp_path).returncode == 66
    (tmp_path / "flow.yaml").write_text(_FOLLOWING)
    ended = pynomaly("run", "flow.yaml", folder=tmp_path)
    assert ended.returncode == 66
    assert "error: path must match at least one file, was 'data.csv'" in ended.stderr


def test_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    """The flow gives up within its bound: 69."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    (tmp_path / "flow.yaml").write_text(_SILENT_BROKER.format(port=port))
    ended = pynomaly("run", "flow.yaml", folder=tmp_path)
    assert ended.returncode == 69
    assert f"127.0.0.1:{port}" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_state_of_another_flow_and_damaged_state(tmp_path: Path) -> None:
    """Nothing starts from zero silently: 65 with the way out."""
    assert pynomaly("run", _QUICKSTART, "--state", "state", folder=tmp_path).returncode == 0
    (tmp_path / "flow.yaml").write_text(_FOLLOWING)
    (tmp_path / "data.csv").write_text("time,value\n")
    foreign = pynomaly("run", "flow.yaml", "--state", "state", folder=tmp_path)
    assert foreign.returncode == 65
    assert "flow must be 'following', was 'quickstart'" in foreign.stderr
    (tmp_path / "state/recovery/part-0.sqlite3").write_bytes(b"garbage" * 1000)
    damaged = pynomaly("run", _QUICKSTART, "--state", "state", folder=tmp_path)
    assert damaged.returncode == 65
    assert "--reset-state" in damaged.stderr.splitlines()[-1]


def test_state_in_use(tmp_path: Path) -> None:
    """A second run on the same folder is turned away; the first one goes on."""
    _follow(tmp_path)
    with running("run", "flow.yaml", folder=tmp_path) as process:
        _wait_for_alert(tmp_path)
        second = pynomaly("run", "flow.yaml", folder=tmp_path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert second.returncode == 65
    assert f"was held by process {process.pid}" in second.stderr


def test_a_metrics_address_that_is_taken(tmp_path: Path) -> None:
    """It is a mistake of the configuration: 78."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = pynomaly("run", _QUICKSTART, "--metrics", address, folder=tmp_path)
    assert ended.returncode == 78
    assert "metrics.listen" in ended.stderr.splitlines()[-1]


def test_batches_are_traced_where_the_environment_asks(tmp_path: Path) -> None:
    """A span for each batch goes to the exporter that OTEL_TRACES_EXPORTER names, here standard error."""
    ended = pynomaly("run", _QUICKSTART, folder=tmp_path, variables={"OTEL_TRACES_EXPORTER": "console"})
    assert ended.returncode == 0
    assert '"name": "process water_flow"' in ended.stderr
    assert '"pynomaly.flow": "quickstart"' in ended.stderr
    unknown = pynomaly("run", _QUICKSTART, folder=tmp_path, variables={"OTEL_TRACES_EXPORTER": "smoke"})
    assert unknown.returncode == 78
    assert "error: OTEL_TRACES_EXPORTER: must be none or an installed exporter" in unknown.stderr


def test_metrics_are_served_while_the_flow_runs(tmp_path: Path) -> None:
    """/metrics and /healthz answer at the address that is logged."""
    _follow(tmp_path)
    with running("run", "flow.yaml", "--metrics", "127.0.0.1:0", folder=tmp_path) as process:
        _wait_for_alert(tmp_path)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        url = next(told["url"] for line in lines if (told := _event(line)).get("event") == "metrics_served")
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of the program under test
            metrics = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert 'pynomaly_records_total{flow="following",stream="data.csv[0]"} 401.0' in metrics
    assert 'pynomaly_alerts_total{flow="following",level="warning"} 1.0' in metrics


def _event(line: str) -> dict[str, str]:
    return json.loads(line) if line.startswith("{") else {}


def test_other_lines_in_the_alerts_file_are_not_alerts(tmp_path: Path) -> None:
    """What somebody else wrote there neither counts nor stops the summary."""
    alerts = tmp_path / "out/quickstart/alerts.jsonl"
    alerts.parent.mkdir(parents=True)
    alerts.write_bytes(b'not json \xff\n[1]\n{"type": "other"}\n')
    ended = pynomaly("run", _QUICKSTART, "--json", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["alerts_in_file"] == sum(told["alerts"].values())


def test_windows_of_a_labelled_dataset_are_compared_too(tmp_path: Path) -> None:
    """An alert of a window counts where the window is."""
    flow = """
flow: windowed
source: {kind: dataset, name: water_flow}
window: {kind: tumbling, size: 6h, aggregates: [min], max_jump: 30d}
detectors: [{detector: ew_zscore, half_life: 24, warm_up: 10, calibration: {warm_up: 2}}]
output: {alerts: {kind: file, path: alerts.jsonl}}
"""
    (tmp_path / "flow.yaml").write_text(flow)
    told = json.loads(pynomaly("run", "flow.yaml", "--json", folder=tmp_path).stdout)
    assert told["outcomes"] == {"windowed": 1268}
    assert told["labels"]["hits"] >= 1
    assert told["labels"]["alert_rows"] == sum(told["alerts"].values())


def test_json_and_terminal_alerts_do_not_mix(tmp_path: Path) -> None:
    """Two things on one standard output would be neither."""
    (tmp_path / "flow.yaml").write_text(_FOLLOWING.replace("{kind: file, path: alerts.jsonl}", "{kind: terminal}"))
    ended = pynomaly("run", "flow.yaml", "--json", folder=tmp_path)
    assert ended.returncode == 78
    assert ended.stderr.startswith("error: output.alerts: must not be the terminal with --json")
