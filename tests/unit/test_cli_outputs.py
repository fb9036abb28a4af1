"""Files that commands write: never their own input, never half of one, never two results in one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from commands.program import COMMAND
from pynomaly.presentation.cli.main import main

_DATA = "when,v\n" + "".join(f"2024-01-{1 + row // 24:02}T{row % 24:02}:00:00Z,{row % 7}\n" for row in range(400))
_FLOW = """
flow: files
source: {kind: files, path: "data*.csv"}
record: {time: {field: when}, values: [v]}
detectors: [ew_zscore]
output: {alerts: {kind: file, path: alerts.jsonl}}
"""
_FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the test's folder, beside a flow and its input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(_DATA)
    (tmp_path / "flow.yaml").write_text(_FLOW)


@pytest.mark.parametrize(
    ("command", "option", "path"),
    [
        (["detect", "data.csv", "--value", "v"], "--output", "data.csv"),
        (["detect", "data*.csv", "--value", "v"], "--output", "new/../data.csv"),
        (["detect", "data.csv", "--value", "v"], "--output", "link.csv"),
        (["replay", "flow.yaml"], "--output", "data.csv"),
        (["replay", "flow.yaml"], "--output", "data-of-tomorrow.csv"),
        (["replay", "flow.yaml"], "--outcomes", "link.csv"),
        (["replay", "flow.yaml"], "--outcomes", "flow.yaml"),
    ],
)
def test_the_input_is_safe(command: list[str], option: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever way a result's path leads to the input, or to the flow, it is refused by its option."""
    Path("link.csv").symlink_to("data.csv")
    assert main([*command, option, path]) == 78
    told = capsys.readouterr().err
    assert told.startswith(f"error: {option}: must be another file than what is read, was {path!r}")
    assert len(told.splitlines()) == 1
    assert not Path("data-of-tomorrow.csv").exists()
    assert (Path("data.csv").read_text(), Path("flow.yaml").read_text()) == (_DATA, _FLOW)


def test_a_picture_does_not_replace_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    """An input may be called like a picture, if its format is told."""
    Path("data.png").write_text(_DATA)
    assert main(["detect", "data.png", "--format", "csv", "--value", "v", "--plot", "data.png"]) == 78
    assert capsys.readouterr().err.startswith("error: --plot: must be another file than what is read")
    assert Path("data.png").read_text() == _DATA


def test_results_do_not_share_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Two of them in one file would be neither."""
    assert main(["replay", "flow.yaml", "--output", "same", "--outcomes", "new/../same"]) == 78
    assert capsys.readouterr().err == "error: --outcomes: must be another file than --output, was 'new/../same'\n"
    assert not Path("same").exists()


@pytest.mark.parametrize("name", ["good.csv", "good.jsonl", "good.parquet"])
def test_a_failed_detection_leaves_the_last_results(name: str) -> None:
    """A slip of the pen does not cost yesterday's results, nor leave a draft beside them."""
    good = Path(name)
    assert main(["detect", "data.csv", "--value", "v", "--output", name]) == 0
    before = good.read_bytes()
    assert before
    assert main(["detect", "data.csv", "--value", "w", "--output", name]) == 78
    assert good.read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == sorted(["data.csv", "flow.yaml", name])


def test_a_failed_replay_leaves_the_last_results() -> None:
    """The same for alerts and outcomes."""
    Path("flow.yaml").write_text(_FLOW.replace("values: [v]", "values: [w]"))
    for name in ("alerts", "outcomes"):
        Path(name).write_text("of yesterday\n")
    assert main(["replay", "flow.yaml", "--output", "alerts", "--outcomes", "outcomes"]) == 78
    assert {Path(name).read_text() for name in ("alerts", "outcomes")} == {"of yesterday\n"}
    assert len(list(Path().iterdir())) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "data.csv", "--value", "v"],
        ["detect", "data.csv", "--value", "v", "--json"],
        ["replay", "flow.yaml"],
        ["flows", "schema"],
        ["flows", "explain", "flow.yaml"],
        ["detectors", "list"],
        ["detectors", "show", "ew_zscore"],
        ["version"],
        ["flows"],
    ],
)
def test_standard_output_on_a_full_disk(arguments: list[str], tmp_path: Path) -> None:
    """It is the disk's fault, said on one line: 74."""
    Path("data.csv").write_text(_DATA + "2024-02-01T00:00:00Z,9000\n")
    code, told = _on_a_full_disk(arguments, tmp_path)
    assert code == 74, told
    assert told.splitlines()[-1] == "error: standard output must be writable, was not: No space left on device"
    assert "Traceback" not in told


def test_help_on_a_full_disk(tmp_path: Path) -> None:
    """What the command-line library prints itself fails no louder."""
    code, told = _on_a_full_disk(["detect", "--help"], tmp_path)
    assert code == 74, told
    assert told.startswith("error: the system must read and write for pynomaly, refused: [Errno 28] No space left")
    assert len(told.splitlines()) == 1


def _on_a_full_disk(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Return the exit status and the standard error of a command whose results nothing takes."""
    if not _FULL.exists():
        pytest.skip("needs /dev/full")
    with _FULL.open("w") as full:
        finished = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    return finished.returncode, finished.stderr
