"""`pynomaly detect`: a file, no flow, every record answered for."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from pynomaly.presentation import plot
from pynomaly.presentation.cli.main import main
from pynomaly_connectors.files import outcome_file

_ROWS = 400
_SPIKE = 300
_NO_VALUE = {7: "not_a_number", 8: "missing_field", 9: "not_finite", 10: "malformed", 11: "bad_time"}
_BAD_CELLS = {7: "12,ok", 8: "", 9: "nan", 10: "1,2,3", 11: "5"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the test's folder."""
    monkeypatch.chdir(tmp_path)


def _line(row: int) -> str:
    """Return one record: 20 to 24 all the time, one spike, five that cannot be used."""
    time = "yesterday" if row == 11 else f"2024-01-{1 + row // 24:02}T{row % 24:02}:00:00Z"
    value = "900" if row == _SPIKE else f"{20 + row % 5}"
    cell = _BAD_CELLS.get(row, value)
    return f'{time},"{cell}",web' if row == 7 else f"{time},{cell},web"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file with a spike and some records that cannot be used."""
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["when,load,host", *map(_line, range(_ROWS)), ""]))
    return path


def _outcomes(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_record_has_a_row_in_its_place(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rejected records too, with their reason; the counts of the summary are those of the file."""
    options = ["--time", "when", "--value", "load", "--series", "host"]
    assert main(["detect", str(data), *options, "--output", "outcomes.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = _outcomes(Path("outcomes.csv"))
    assert len(rows) == _ROWS == told["records"]
    assert {row: rows[row]["reason"] for row in _NO_VALUE} == _NO_VALUE
    assert all(rows[row]["time"] == rows[row]["series"] == rows[row]["load"] == "" for row in _NO_VALUE)
    assert [row for row in range(_ROWS) if rows[row]["outcome"] == "rejected"] == list(_NO_VALUE)
    assert rows[_SPIKE]["time"] == "2024-01-13T12:00:00Z"
    assert (rows[_SPIKE]["load"], rows[_SPIKE]["series"], rows[_SPIKE]["outcome"]) == ("900.0", "web", "anomalous")
    assert {name: sum(row["outcome"] == name for row in rows) for name in told["outcomes"]} == told["outcomes"]
    assert [alert["row"] for alert in told["strongest_alerts"]] == [_SPIKE]
    assert told["written"] == {"outcomes": "outcomes.csv"}


def test_without_a_clock_rows_are_numbered(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same records are used but for the time, and the alert is called by its row."""
    assert main(["detect", str(data), "--value", "load", "--output", "outcomes.csv"]) == 0
    rows = _outcomes(Path("outcomes.csv"))
    assert [row["row"] for row in rows] == [str(row) for row in range(_ROWS)]
    assert rows[11]["outcome"] == "warming"
    assert {row: rows[row]["reason"] for row in _NO_VALUE if row != 11} == {
        row: reason for row, reason in _NO_VALUE.items() if row != 11
    }
    table = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert table[0].split() == ["row", "value", "expected", "level", "evidence", "found", "by"]
    assert table[1].split()[:2] == [str(_SPIKE), "900"]


def test_several_fields_of_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each field has its expected value; the field to blame is named."""
    lines = [{"t": 1_700_000_000 + row, "a": row % 3, "b": 900 if row == _SPIKE else row % 7} for row in range(_ROWS)]
    with gzip.open(tmp_path / "data.jsonl.gz", "wt") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
    options = ["--time", "t", "--time-format", "s", "--value", "a", "--value", "b", "--detector", "ew_zscore"]
    assert main(["detect", "data.jsonl.gz", *options, "--output", "outcomes.jsonl"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().splitlines()]
    assert {"expected:a", "expected:b", "a", "b"} <= set(rows[0])
    assert rows[_SPIKE]["expected:b"] == pytest.approx(3, abs=1)
    assert rows[_SPIKE]["b"] == 900
    assert "b 900" in capsys.readouterr().out


def test_no_time_in_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON lines need no clock either."""
    values = [900 if row == _SPIKE else row % 7 for row in range(_ROWS)]
    (tmp_path / "data.jsonl").write_text("".join(f'{{"v": {value}}}\n' for value in values))
    assert main(["detect", "data.jsonl", "--value", "v", "--detector", "ew_zscore", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["records"] == _ROWS
    assert [alert["row"] for alert in told["strongest_alerts"]] == [_SPIKE]
    assert told["strongest_alerts"][0]["time"] is None


def test_detectors_and_levels_are_chosen(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the level given exists, and only the strongest alerts are listed."""
    options = ["--time", "when", "--value", "load", "--detector", "ew_zscore:half_life=50,calibration.warm_up=60"]
    assert main(["detect", str(data), *options, "--level", "critical=4.5", "--top", "1"]) == 0
    told = capsys.readouterr().out
    assert "alerts     1 (1 critical)" in told
    assert "ew_zscore 5.0" in told


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--value", "load", "--detector", "nothing"], "error: detectors[0].detector: must be one of ew_zscore"),
        (
            ["--value", "load", "--detector", "ew_zscore:half_life=0"],
            "error: detectors[0].half_life: must be at least 1",
        ),
        (["--value", "load", "--level", "watch"], "error: --level: must be NAME=EVIDENCE"),
        (["--value", "load", "--level", "loud=3"], "error: alert.levels.loud: must be a known key"),
        (["--value", "lod"], "error: record: must be one column of "),
        (["--value", "load", "--output", "a.xlsx"], "error: --output: must end in .csv, .jsonl, .parquet"),
        (["--value", "load", "--plot", "a.gif"], "error: --plot: must end in .png, .svg, .pdf"),
        (["--value", "load", "--delimiter", "ab"], "error: source.delimiter: must "),
    ],
)
def test_mistakes_are_named(data: Path, options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its place and rule: 78."""
    assert main(["detect", str(data), *options]) == 78
    assert capsys.readouterr().err.splitlines()[-1].startswith(line)


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None is 66; several are one too many: 78."""
    assert main(["detect", "none.csv", "--value", "v"]) == 66
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("v\n1\n")
    assert main(["detect", "*.csv", "--value", "v"]) == 78
    assert "error: FILE: must be one file, was 2 of them" in capsys.readouterr().err


def test_a_file_without_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is found in nothing, and drawn as such."""
    (tmp_path / "empty.csv").write_text("v\n")
    assert main(["detect", "empty.csv", "--value", "v", "--output", "outcomes.csv", "--plot", "out.png"]) == 0
    assert "0 records" in capsys.readouterr().out
    assert len(_outcomes(tmp_path / "outcomes.csv")) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [(outcome_file, ["--output", "a.parquet"], "frames"), (plot, ["--plot", "a.png"], "plot")],
)
def test_missing_extras_say_how_to_install_them(
    data: Path,
    module: object,
    options: list[str],
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file is not read in vain."""
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert main(["detect", str(data), "--value", "load", *options]) == 78
    assert f"pip install 'pynomaly-streaming[{extra}]'" in capsys.readouterr().err
