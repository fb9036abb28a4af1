"""`pynomaly state`: what it says, and with which exit status it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.presentation.cli.main import main
from pynomaly.presentation.cli.state_checkup import examine_state
from pynomaly_flows.state_folder import FlowIdentity, StateFolder

_FLOW = """
flow: pumps
source: {kind: memory, topic: readings}
record: {time: {field: ts}, values: [v]}
detectors: [ew_zscore]
output: {alerts: {kind: terminal}}
"""
_KEY = "state: {key: 0123456789abcdef0123456789abcdef}\n"


@pytest.fixture(autouse=True)
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow without a key that has been prepared once, and the same flow with one."""
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(_FLOW)
    Path("keyed.yaml").write_text(_FLOW + _KEY)
    folder = StateFolder(Path("state/pumps"))
    with folder.lock():
        folder.prepare(FlowIdentity("pumps", load_flow(Path("flow.yaml"), {}).fingerprint()))


def test_a_state_is_shown_copied_and_brought_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what it has done; machines get JSON."""
    assert main(["state", "show", "flow.yaml"]) == 0
    assert "state/pumps: not in use, not sealed\n  checkpoint  epoch none yet" in capsys.readouterr().out
    assert main(["state", "backup", "flow.yaml", "copy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["files"]) == ("copy", 2)
    assert main(["state", "restore", "flow.yaml", "copy"]) == 65
    assert "error: state folder state/pumps must be empty, held state" in capsys.readouterr().err
    assert main(["state", "restore", "flow.yaml", "copy", "--state", "other"]) == 0
    assert "other holds the backup of" in capsys.readouterr().out
    assert main(["state", "show", "flow.yaml", "--state", "other", "--json"]) == 0
    (folder,) = json.loads(capsys.readouterr().out)["folders"]
    assert (folder["folder"], folder["epoch"], folder["key"], folder["holder"]) == ("other", None, None, None)


def test_the_state_of_the_copying_stage_is_the_flow_s(capsys: pytest.CaptureFixture[str]) -> None:
    """`--stage repartition` saves under the fingerprint of the routing alone; every command takes it all the same."""
    source = "source: {kind: kafka, bootstrap: '127.0.0.1:9', topic: readings, keying: repartition}"
    lines = [source if line.startswith("source:") else line for line in _FLOW.splitlines()]
    Path("copied.yaml").write_text("\n".join([*lines, _KEY]).replace("values: [v]", "series: [pump], values: [v]"))
    routing = load_flow(Path("copied.yaml"), {}).routing_fingerprint()
    with StateFolder(Path("copying")).lock():
        StateFolder(Path("copying")).prepare(FlowIdentity("pumps", routing))
    for command in ("seal", "show"):
        assert main(["state", command, "copied.yaml", "--state", "copying"]) == 0, capsys.readouterr().err
    assert main(["state", "backup", "copied.yaml", "copy", "--state", "copying"]) == 0
    assert main(["state", "restore", "copied.yaml", "copy", "--state", "again"]) == 0
    found = examine_state(Path("again"), load_flow(Path("copied.yaml"), {}))
    assert "is of flow pumps as it is now" in [finding.text for finding in found]


def test_a_state_is_sealed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal names the command; the command wants a key."""
    assert main(["state", "show", "keyed.yaml"]) == 65
    assert "pynomaly state seal FLOW" in capsys.readouterr().err
    assert main(["state", "seal", "flow.yaml"]) == 78
    assert "error: state.key: must be given (or `key_file`)" in capsys.readouterr().err
    assert main(["state", "seal", "keyed.yaml"]) == 0
    sealed = capsys.readouterr().out
    assert sealed.startswith("state/pumps is sealed with key ")
    assert main(["state", "show", "keyed.yaml"]) == 0
    assert sealed.split()[-1] in capsys.readouterr().out
    assert main(["state", "show", "flow.yaml"]) == 65
    assert "must carry no seal for a flow without `state.key`" in capsys.readouterr().err


def test_a_state_in_use_is_shown_but_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    """Sealing and restoring wait for the flow to be stopped."""
    with StateFolder(Path("state/pumps")).lock():
        assert main(["state", "show", "flow.yaml"]) == 0
        assert "in use by process" in capsys.readouterr().out
        assert main(["state", "seal", "keyed.yaml"]) == 65
    assert "must not be in use" in capsys.readouterr().err


def test_nothing_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there holds no state."""
    assert main(["state", "show", "flow.yaml", "--state", "nowhere"]) == 0
    assert capsys.readouterr().out == "nowhere holds no state\n"


def test_the_doctor_looks_into_sealed_state(capsys: pytest.CaptureFixture[str]) -> None:
    """With the flow whole; without it only as far as anybody can."""
    assert main(["state", "seal", "keyed.yaml"]) == 0
    main(["doctor", "keyed.yaml", "--json"])
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])["findings"]
    assert "is of flow pumps as it is now" in [finding["text"] for finding in found if finding["what"] == "state"]
    main(["doctor", "--state", "state/pumps", "--json"])
    texts = [finding["text"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert any("name the flow to look into it" in text for text in texts)
