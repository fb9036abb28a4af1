"""What the columns of a file are taken for where nobody says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.domain.error import ConfigError
from pynomaly_connectors.files.guess import GuessedColumns, guess_columns, guess_delimiter


def _file(folder: Path, names: str, rows: list[str]) -> str:
    path = folder / "table.csv"
    path.write_text("\n".join([names, *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("names", "rows", "expected"),
    [
        (
            "timestamp,value",
            ["2014-07-01 00:00:00,10844", "2014-07-01 00:30:00,8127"],
            GuessedColumns(("value",), "timestamp", "iso8601", (), ()),
        ),
        (
            "datetime;Current;Volume Flow;anomaly;changepoint",
            ["2020-03-09 10:14:33;1.5;32.0;0.0;0.0", "2020-03-09 10:14:34;1.4;;0.0;0.0"],
            GuessedColumns(("Current", "Volume Flow"), "datetime", "iso8601", (), ("anomaly", "changepoint")),
        ),
        (
            "host,ts,load,note",
            [f"{'ab'[n % 2]},{1_700_000_000_000 + n},{n * 0.5},n{n}" for n in range(40)],
            GuessedColumns(("load",), "ts", "ms", ("host",), ()),
        ),
        (
            "a\tb\tstate",
            [f"{n}\t{n}\tup{n}" for n in range(40)],
            GuessedColumns(("a", "b"), None, "iso8601", (), ()),
        ),
        ("time,x", ["3,1", "1,2"], GuessedColumns(("time", "x"), None, "iso8601", (), ())),
    ],
    ids=["nab", "labelled", "several series", "no time", "numbers that fall are no time"],
)
def test_csv(tmp_path: Path, names: str, rows: list[str], expected: GuessedColumns) -> None:
    """Time, series, labels and values are told by what is in the columns, and labels and units by their names."""
    path = _file(tmp_path, names, rows)
    assert guess_columns(path, "csv", guess_delimiter(path)) == expected


def test_json_lines(tmp_path: Path) -> None:
    """Fields that are texts or numbers are columns; broken lines and everything else are passed over."""
    path = tmp_path / "records.jsonl"
    lines = [f'{{"at": "2024-05-01T00:00:{n:02d}Z", "load": {n}, "up": true, "deep": {{"x": 1}}}}' for n in range(9)]
    path.write_text("\n".join([*lines, "{broken", "[1]"]) + "\n")
    assert guess_columns(str(path), "jsonl", ",") == GuessedColumns(("load",), "at", "iso8601", (), ())


def test_what_is_known_is_not_guessed(tmp_path: Path) -> None:
    """A column that somebody named as the time or the series is no value."""
    path = _file(tmp_path, "tick,machine,load", ["1,7,0.5", "2,7,0.25"])
    assert guess_columns(path, "csv", ",", {"tick", "machine"}).values == ("load",)


@pytest.mark.parametrize(
    ("names", "rows", "named"), [("a,b", ["x,y"], "a, b"), ("anomaly", ["1"], "anomaly"), ("", [], "none at all")]
)
def test_no_numbers(tmp_path: Path, names: str, rows: list[str], named: str) -> None:
    """Without a column of numbers the error says which columns there are."""
    with pytest.raises(ConfigError, match=f"--value: must be given: no column of .* were {named}"):
        guess_columns(_file(tmp_path, names, rows), "csv", ",")


def test_only_the_head_is_read(tmp_path: Path) -> None:
    """A line that the first 256 KiB cut is not taken for a short one."""
    path = _file(tmp_path, "a,b", [f"{n},{'9' * 300}" for n in range(2_000)])
    assert guess_columns(path, "csv", ",").values == ("a", "b")
