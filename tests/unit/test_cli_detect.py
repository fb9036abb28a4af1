"""`pynomaly detect`: a file, no flow, every record answered for."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from pynomaly.application.spec.adhoc import DEFAULT_DETECTORS
from pynomaly.domain.outcome import Reason
from pynomaly.presentation import plot
from pynomaly.presentation.cli.main import app, main
from pynomaly.presentation.cli.rejection import OPTIONS
from pynomaly.presentation.plot import SUFFIXES
from pynomaly_connectors.files import outcome_file
from pynomaly_connectors.files.outcome_file import FORMATS

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
        (["--value", "load", "--detector", "nothing"], "error: detectors[0].detector: must be one of auto, ew_zscore"),
        (
            ["--value", "load", "--detector", "ew_zscore:half_life=0"],
            "error: detectors[0].half_life: must be at least 1",
        ),
        (["--value", "load", "--level", "watch"], "error: --level: must be NAME=EVIDENCE"),
        (["--value", "load", "--level", "loud=3"], "error: alert.levels.loud: must be a known key"),
        (["--value", "lod"], "error: record: must be one column of "),
        (["--value", "load", "--output", "a.xlsx"], "error: --output: must end in .csv, .jsonl, .parquet"),
        (["--value", "load", "--plot", "a.gif"], "error: --plot: must end in .png, .svg, .pdf"),
        (["--value", "load", "--delimiter", "ab"], "error: --delimiter: must be one character or tab, was 'ab'"),
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
    ("name", "options", "separator"),
    [
        ("data.tsv", [], "\t"),
        ("data.TSV", [], "\t"),
        ("data.tsv", ["--delimiter", ";"], ";"),
        ("data.txt", ["--format", "csv"], ","),
        ("data.dat", ["--format", "csv", "--delimiter", "tab"], "\t"),
        ("data.CSV", [], ","),
        ("data", ["--format", "jsonl"], None),
        ("data.csv", ["--format", "jsonl"], None),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_any_name_with_a_format(name: str, options: list[str], separator: str | None, packed: str) -> None:
    """The format is told from the suffix, or given; tabs go with .tsv."""
    rows = [(row, 900 if row == _SPIKE else row % 7) for row in range(_ROWS)]
    if separator is None:
        text = "".join(f"{json.dumps({'n': n, 'v': v})}\n" for n, v in rows)
    else:
        text = "".join(f"{n}{separator}{v}\n" for n, v in [("n", "v"), *rows])
    Path(name + packed).write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert main(["detect", name + packed, "--value", "v", *options, "--output", "outcomes.csv"]) == 0
    assert [row["row"] for row in _outcomes(Path("outcomes.csv")) if row["level"] == "critical"] == [str(_SPIKE)]


@pytest.mark.parametrize("name", ["data.txt", "data.gz", "data", "d*"])
def test_a_name_that_tells_no_format(data: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option that helps is named."""
    found = "data" if name == "d*" else name
    data.rename(found)
    assert main(["detect", name, "--value", "load"]) == 78
    assert capsys.readouterr().err == (
        "error: --format: must be given for a file that does not end in .tsv, .csv, .jsonl, .ndjson (or one of these "
        f"and .gz), was {found!r}\n"
    )


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        ("größe,load\n".encode("latin-1"), "must be UTF-8, was not in its header"),
        (b"when,load\r2024-01-01,1\r2024-01-02,2\r", "must have lines that end in LF or CR LF, was CR alone"),
        (b'when,"load\n1,2\n', "must begin with a header that is a row of CSV"),
    ],
)
def test_a_header_that_cannot_be_read(head: bytes, rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told from a header without the column."""
    Path("data.csv").write_bytes(head)
    assert main(["detect", "data.csv", "--value", "load"]) == 69
    told = capsys.readouterr().err
    assert told.startswith(f"error: file {rule}")
    assert "'data.csv'" in told


def test_errors_do_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A header may hold escape sequences; they are disarmed."""
    Path("data.csv").write_bytes(b"a,\x1b[31mred\n1,2\n")
    assert main(["detect", "data.csv", "--value", "load"]) == 78
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "red" in told


def test_a_picture_without_records(capsys: pytest.CaptureFixture[str]) -> None:
    """A file of which nothing can be used is drawn as such."""
    Path("data.csv").write_text("v\n" + "x\n" * 30)
    assert main(["detect", "data.csv", "--value", "v", "--plot", "out.svg"]) == 0, capsys.readouterr().err
    assert "no record could be used" in Path("out.svg").read_text()


@pytest.mark.parametrize(("fields", "parts"), [("a", 1), ("a+b", 2)])
def test_a_detector_of_some_fields(fields: str, parts: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One name is a list of one."""
    lines = [f"{row % 3},{row % 7},{row % 5}\n" for row in range(_SPIKE)] + ["900,900,900\n"]
    Path("data.csv").write_text("".join(["a,b,c\n", *lines]))
    values = ["--value", "a", "--value", "b", "--value", "c"]
    assert main(["detect", "data.csv", *values, "--detector", f"ew_zscore:fields={fields}", "--json"]) == 0
    (alert,) = json.loads(capsys.readouterr().out)["strongest_alerts"]
    assert len(alert["parts"]) == parts


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--time", "when", "--time-format", "ms", "--value", "load"],
            "bad_time, such as '2024-01-01T00:00:00Z,20,web'; look at --time and --time-format",
        ),
        (["--value", "host"], "not_a_number, such as '2024-01-01T00:00:00Z,20,web'; look at --value"),
    ],
)
def test_no_record_that_can_be_used(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what the first bad record was and which option to look at."""
    lines = [_line(row) for row in range(_ROWS) if row not in _BAD_CELLS]
    Path("data.csv").write_text("\n".join(["when,load,host", *lines, ""]))
    assert main(["detect", "data.csv", *options]) == 0
    assert capsys.readouterr().err == f"no record could be used: {told}\n"


def test_the_commonest_reason_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Long and unprintable records are cut and disarmed; with --json the line is there as well."""
    lines = ["{]", *[json.dumps({"other": row, "text": "\x1b" + "x" * 500}, ensure_ascii=False) for row in range(9)]]
    Path("data.jsonl").write_text("\n".join(lines))
    assert main(["detect", "data.jsonl", "--value", "v", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["outcomes"] == {"rejected": 10}
    assert told.err.startswith('no record could be used: missing_field, such as \'{"other": 0, ')
    assert told.err.endswith("...'; look at --value, --time and --series\n")
    assert len(told.err) < 200
    assert told.err.rstrip("\n").isprintable()


def test_every_rejection_has_its_option() -> None:
    """All reasons of decoders are in the table, and all options in it exist."""
    decoders = {reason for reason in Reason if Reason.NO_PAYLOAD <= reason <= Reason.TOO_LARGE}
    assert set(OPTIONS) == decoders
    known = {name for option in typer.main.get_command(app).commands["detect"].params for name in option.opts}  # type: ignore[attr-defined] # a group
    assert {word.strip(",") for words in OPTIONS.values() for word in words.split()} <= {*known, "and"}


def test_some_records_that_can_be_used(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the counts say enough."""
    assert main(["detect", str(data), "--value", "load"]) == 0
    assert capsys.readouterr().err == ""


def test_nothing_is_seasonal_without_a_clock(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would warm up for ever."""
    assert (
        main(["detect", str(data), "--value", "load", "--detector", "ew_zscore", "--detector", "seasonal_slot"]) == 78
    )
    assert capsys.readouterr().err.startswith("error: detectors[1].detector: must be one that needs no time of day")


def test_the_help_tells_the_defaults() -> None:
    """Detectors, levels and suffixes are those of the code."""
    helps = {parameter.name: parameter.help for parameter in typer.main.get_command(app).commands["detect"].params}  # type: ignore[attr-defined] # a group
    assert f"By default {' and '.join(DEFAULT_DETECTORS)}." in helps["detector"]
    assert f": {_listed(SUFFIXES)}." in helps["plot"]
    assert f": {_listed(list(FORMATS))}." in helps["output"]


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


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
