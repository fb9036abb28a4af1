"""`pynomaly flows`, `pynomaly detectors` and `pynomaly doctor`: looking without running."""

from __future__ import annotations

import json
import socket
from dataclasses import fields
from pathlib import Path

import pytest

from pynomaly.application.spec.schema import flow_schema
from pynomaly.domain.detectors import NATIVE_DETECTORS
from pynomaly.presentation.cli import machine_checkup
from pynomaly.presentation.cli.main import main
from pynomaly_flows.state_folder import FlowIdentity, StateFolder

_QUICKSTART = str(Path(__file__).parents[2] / "flows" / "quickstart.yaml")
_FLOW = """
flow: looked-at
source: {kind: files, path: data.csv}
record: {time: {field: time}, values: [value]}
detectors: [ew_zscore]
output: {alerts: {kind: file, path: out/alerts.jsonl}}
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let relative paths of flows lead into the test's folder."""
    monkeypatch.chdir(tmp_path)


def _findings(capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, str]]]:
    told = json.loads(capsys.readouterr().out)["findings"]
    return {what: [one for one in told if one["what"] == what] for what in {one["what"] for one in told}}


def test_a_valid_flow(capsys: pytest.CaptureFixture[str]) -> None:
    """Text and JSON name the flow and its fingerprint."""
    assert main(["flows", "validate", _QUICKSTART]) == 0
    text = capsys.readouterr().out
    assert main(["flows", "validate", _QUICKSTART, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["flow"]) == (True, "quickstart")
    assert told["fingerprint"] in text


def test_an_invalid_flow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes at once: as lines on standard error, or as the JSON result; 78 both times."""
    (tmp_path / "flow.yaml").write_text(
        _FLOW.replace("[ew_zscore]", "[{detector: ew_zscore, half_life: 0}]") + "colour: 1"
    )
    assert main(["flows", "validate", "flow.yaml"]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert main(["flows", "validate", "flow.yaml", "--json"]) == 78
    told = json.loads(capsys.readouterr().out)
    assert not told["valid"]
    assert [problem["path"] for problem in told["problems"]] == ["detectors[0].half_life", "colour"]
    assert lines == [f"error: {problem['path']}: {problem['rule']}" for problem in told["problems"]]


def test_detectors_of_libraries_are_validated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """River and PyOD are asked; every entry that does not fit is named by its place."""
    entries = "[ew_zscore, {pyod: IForest, params: {nope: 1}}, {river: GaussianScorer, params: {zip: 1}}, {pyod: Nope}]"
    (tmp_path / "flow.yaml").write_text(_FLOW.replace("[ew_zscore]", entries))
    assert main(["flows", "validate", "flow.yaml"]) == 78
    places = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert places == ["detectors[1].params", "detectors[2].params", "detectors[3].pyod"]


def test_a_flow_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Text and JSON hold the same sentences."""
    assert main(["flows", "explain", _QUICKSTART]) == 0
    text = capsys.readouterr().out
    assert main(["flows", "explain", _QUICKSTART, "--json"]) == 0
    topics = json.loads(capsys.readouterr().out)
    assert {"Input", "Detectors", "Alerts", "Output", "State"} < set(topics)
    assert all(sentence in text for sentences in topics.values() for sentence in sentences)


def test_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is the schema of flows."""
    assert main(["flows", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == flow_schema()


def test_detectors_are_listed_and_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Every detector with its summary; every option with its default, range and meaning."""
    assert main(["detectors", "list"]) == 0
    listed = capsys.readouterr().out
    for name, detector in NATIVE_DETECTORS.items():
        assert name in listed
        assert main(["detectors", "show", name]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        for option in fields(detector.options):
            assert f"{option.name} " in shown
            assert detector.options.bound(option.name).help in shown
        assert main(["detectors", "show", name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [option["name"] for option in told["options"]] == [option.name for option in fields(detector.options)]
        assert told["bytes_per_series"] > 0


def test_an_unknown_detector(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists those there are, and the one that was probably meant."""
    assert main(["detectors", "show", "ew_zscor"]) == 78
    told = capsys.readouterr().err
    assert "did you mean ew_zscore?" in told
    assert all(name in told for name in NATIVE_DETECTORS)


def test_a_sound_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """The machine that runs the tests can run flows."""
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert all(line.startswith(("ok", "warn", " ")) for line in told.splitlines())
    assert "kernel cache: " in told


def test_a_flow_that_can_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Input, outputs and state are looked at, and nothing is made."""
    (tmp_path / "flow.yaml").write_text(_FLOW)
    (tmp_path / "data.csv").write_text("time,value\n")
    assert main(["doctor", "flow.yaml", "--json"]) == 0
    found = _findings(capsys)
    assert [found[what][0]["status"] for what in ("flow", "detectors", "input", "alerts", "state")] == ["ok"] * 5
    assert {path.name for path in tmp_path.iterdir()} == {"flow.yaml", "data.csv"}


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No input, a silent broker for the alerts: 69, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    alerts = f'{{kind: kafka, bootstrap: "{address}", topic: alerts, timeout_s: 1}}'
    (tmp_path / "flow.yaml").write_text(_FLOW.replace("{kind: file, path: out/alerts.jsonl}", alerts))
    assert main(["doctor", "flow.yaml", "--json"]) == 69
    found = _findings(capsys)
    assert "data.csv" in found["input"][0]["text"]
    assert address in found["alerts"][0]["text"]
    assert {found[what][0]["status"] for what in ("input", "alerts")} == {"fail"}


def test_a_silent_registry_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records that need schemas cannot be read without it, whatever the brokers say."""
    source = (
        "{kind: kafka, bootstrap: '127.0.0.1:1', topic: readings, timeout_s: 1, format: avro, "
        "schema_registry: {url: 'http://127.0.0.1:1', timeout_s: 1}}"
    )
    (tmp_path / "flow.yaml").write_text(_FLOW.replace("{kind: files, path: data.csv}", source))
    assert main(["doctor", "flow.yaml", "--json"]) == 69
    (found,) = _findings(capsys)["schemas"]
    assert found["status"] == "fail"
    assert "schema registry at http://127.0.0.1:1 must answer" in found["text"]


def test_an_invalid_flow_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor goes on after it and ends with 69."""
    (tmp_path / "flow.yaml").write_text(_FLOW.replace("[ew_zscore]", "[]"))
    assert main(["doctor", "flow.yaml", "--json"]) == 69
    assert _findings(capsys)["flow"][0]["text"].startswith("detectors: must ")


def _state(root: Path, flow: str) -> StateFolder:
    folder = StateFolder(root)
    with folder.lock():
        folder.prepare(FlowIdentity(flow, "f" * 32))
    return folder


def test_state_is_looked_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound store of another flow, then a damaged one, then one in use."""
    (tmp_path / "flow.yaml").write_text(_FLOW)
    (tmp_path / "data.csv").write_text("time,value\n")
    folder = _state(tmp_path / "state", "another")
    assert main(["doctor", "flow.yaml", "--state", "state", "--json"]) == 69
    sound, foreign = _findings(capsys)["state"]
    assert (sound["status"], foreign["status"]) == ("ok", "fail")
    assert "was of another" in foreign["text"]
    (folder.recovery / "part-0.sqlite3").write_bytes(b"garbage" * 1000)
    assert main(["doctor", "--state", "state", "--json"]) == 69
    assert "--reset-state" in _findings(capsys)["state"][0]["remedy"]
    with folder.lock():
        assert main(["doctor", "--state", "state", "--json"]) == 0
    assert _findings(capsys)["state"][0]["status"] == "warn"


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flows run without it, slower to start: a warning with what to do."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(machine_checkup, "cache_root", lambda: tmp_path / "file" / "kernels")
    assert main(["doctor", "--json"]) == 0
    (finding,) = _findings(capsys)["kernel cache"]
    assert finding["status"] == "warn"
    assert "XDG_CACHE_HOME" in finding["remedy"]
