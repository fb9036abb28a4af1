"""`pynomaly replay`: the live run again, without touching it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands.program import pynomaly
from pynomaly.presentation.cli.main import main

_QUICKSTART = Path(__file__).parents[2] / "flows" / "quickstart.yaml"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let relative paths of flows lead into the test's folder."""
    monkeypatch.chdir(tmp_path)


def test_replay_gives_the_alerts_of_the_live_run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Byte for byte, at any batch size, on standard output or in a file; the live run's files stay as they are."""
    assert pynomaly("run", _QUICKSTART, folder=tmp_path).returncode == 0
    live = (tmp_path / "out/quickstart/alerts.jsonl").read_bytes()
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["replay", str(_QUICKSTART)]) == 0
    assert capfdbinary.readouterr().out == live
    assert main(["replay", str(_QUICKSTART), "--batch-records", "7", "--output", "again/alerts.jsonl"]) == 0
    assert (tmp_path / "again/alerts.jsonl").read_bytes() == live
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_outcomes_are_one_line_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every record in order, normal ones included; --json prints the counts instead of the alerts."""
    assert main(["replay", str(_QUICKSTART), "--outcomes", "outcomes.jsonl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    lines = [json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().splitlines()]
    assert [line["offset"] for line in lines] == list(range(1268))
    for outcome, count in told["outcomes"].items():
        assert sum(line["outcome"] == outcome for line in lines) == count
    assert told["records"] == 1268


_WINDOWED = """
flow: windowed
source: {kind: dataset, name: water_flow}
window: {kind: tumbling, size: 6h, aggregates: [min], max_jump: 30d}
detectors: [{detector: ew_zscore, half_life: 24, warm_up: 10, calibration: {warm_up: 2}}]
output: {alerts: {kind: file, path: alerts.jsonl}}
"""


def test_a_picture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Records or windows, by what is judged; the alerts are in the picture, not on standard output."""
    (tmp_path / "windowed.yaml").write_text(_WINDOWED)
    for flow, picture in ((str(_QUICKSTART), "records.png"), ("windowed.yaml", "windows.png")):
        assert main(["replay", flow, "--plot", picture]) == 0
        assert "specversion" not in capfd.readouterr().out
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    assert main(["replay", str(_QUICKSTART), "--plot", "picture.txt"]) == 78
    assert "--plot: must end in .png" in capfd.readouterr().err


def test_a_picture_of_batches_that_close_no_window(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Batches much shorter than a window draw the same as long ones."""
    (tmp_path / "windowed.yaml").write_text(_WINDOWED)
    for picture, size in (("small.svg", ["--batch-records", "3"]), ("large.svg", [])):
        assert main(["replay", "windowed.yaml", "--plot", picture, *size]) == 0, capfd.readouterr().err
    small, large = ((tmp_path / f"{size}.svg").read_text() for size in ("small", "large"))
    assert small.count("<path") == large.count("<path")


@pytest.mark.parametrize("option", ["--output", "--outcomes"])
def test_the_flows_own_files_are_safe(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay must not overwrite what the live flow has written, however its path is spelled."""
    assert main(["replay", str(_QUICKSTART), option, "out/../out/quickstart/alerts.jsonl"]) == 78
    assert capsys.readouterr().err.startswith(f"error: {option}: must be a file that the flow does not write itself")


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before anything is read."""
    (tmp_path / "folder").mkdir()
    assert main(["replay", str(_QUICKSTART), "--output", "folder"]) == 69
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: folder must be a file that can be written, was not: Is a directory"
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", "12"], "--from: must be left out for a source of kind dataset: only topics have offsets"),
        (["--to", "2026-01-31T08:00:00Z"], "--to: must be left out for a source of kind dataset: only topics"),
        (["--from", "soon"], "--from: must be an offset, offsets by partition such as 0:1200,1:900, or a moment"),
        (["--from", "12", "--to", "11"], "--to: must not lie before --from, was '11'"),
        (["--from", "0:1,0:2"], "--from: must name every partition once, was '0:1,0:2'"),
    ],
)
def test_a_part_that_cannot_be_read(options: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before anything is read."""
    assert main(["replay", str(_QUICKSTART), *options]) == 78
    assert problem in capsys.readouterr().err
