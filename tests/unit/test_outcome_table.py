"""Outcome tables: names, rows and files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pynomaly.application.detection_result import DetectionResult
from pynomaly.domain.error import ConfigError, UnavailableError
from pynomaly.domain.outcome import Level, Outcomes, Reason
from pynomaly.domain.record import KeyColumn, RecordBatch, Stream
from pynomaly_connectors.files.outcome_file import OutcomeFile, check_suffix
from pynomaly_connectors.files.outcome_table import OutcomeTable, Table, joined

_NAN = float("nan")


def _result() -> DetectionResult:
    """Three records: an alert, a rejected one, a warming one."""
    batch = RecordBatch(
        Stream("data.csv"),
        offset=np.arange(3),
        time_ns=np.array([1_700_000_000_000_000_000, 0, 1_700_000_000_250_000_000]),
        key=KeyColumn.of([b'a, "b"', b"", "é".encode()]),
        values=np.array([[1.5], [_NAN], [0.1 + 0.2]]),
        refusal=np.array([0, Reason.NOT_A_NUMBER, 0], np.uint8),
    )
    outcomes = Outcomes(
        reason=np.array([Reason.ALERTED, Reason.NOT_A_NUMBER, Reason.DETECTOR_WARMING], np.uint8),
        level=np.array([Level.CRITICAL, 0, 0], np.uint8),
        evidence=np.array([7.25, _NAN, _NAN]),
        ranking_score=np.array([7.29, _NAN, _NAN]),
        bar=np.array([6.0, _NAN, _NAN]),
        score=np.array([[9.0, 1.0], [_NAN] * 2, [_NAN] * 2]),
        severity=np.array([[4.0, _NAN], [_NAN] * 2, [_NAN] * 2]),
        contribution=np.array([[3.0, 0.0], [0.0] * 2, [0.0] * 2]),
        expected=np.array([[1.0], [_NAN], [_NAN]]),
    )
    return DetectionResult(batch, np.array([0, 0, 1]), outcomes, ())


_ROWS = [
    ["2023-11-14T22:13:20Z", 'a, "b"', 1.5, 4.0, 7.25, 7.29, 7.25, "anomalous", "alerted", "critical", "z", 1.0],
    [None, None, None, None, None, None, None, "rejected", "not_a_number", "none", None, None],
    [
        "2023-11-14T22:13:20.250Z",
        "é",
        0.1 + 0.2,
        None,
        None,
        None,
        None,
        "warming",
        "detector_warming",
        "none",
        None,
        None,
    ],
]


def test_columns_of_one_and_of_several_fields() -> None:
    """One `expected` for one field, one for each of several; a row number where there is no clock."""
    before, after = (
        ("series",),
        ("severity", "evidence", "ranking_score", "alert_score", "outcome", "reason", "level", "found_by"),
    )
    assert OutcomeTable(("v",), ("z",)).names == ("time", *before, "v", *after, "expected")
    clockless = OutcomeTable(("a", "b"), ("z",), has_clock=False)
    assert clockless.names == ("row", *before, "a", "b", *after, "expected:a", "expected:b")


def test_value_columns_keep_their_names() -> None:
    """Ours make way, and again if need be; no name occurs twice."""
    names = OutcomeTable(("level", "pynomaly_level", "time"), ("z",)).names
    assert names[2:5] == ("level", "pynomaly_level", "time")
    assert names[0] == "pynomaly_time"
    assert "pynomaly_pynomaly_level" in names
    assert len(set(names)) == len(names)


@pytest.fixture
def table() -> OutcomeTable:
    """The table of the three records."""
    return OutcomeTable(("v",), ("z", "trees"))


def _written(path: Path, table: OutcomeTable, *rows: Table) -> Path:
    with OutcomeFile(path, table.names) as file:
        for some in rows:
            file.write(some)
    return path


def test_csv(tmp_path: Path, table: OutcomeTable) -> None:
    """Quoted where needed, exact numbers, empty where not known."""
    path = _written(tmp_path / "new" / "outcomes.csv", table, table.rows(_result()))
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == table.names
    assert rows == [["" if cell is None else str(cell) for cell in row] for row in _ROWS]


def test_json_lines(tmp_path: Path, table: OutcomeTable) -> None:
    """One object a row, null where not known."""
    path = _written(tmp_path / "outcomes.jsonl", table, table.rows(_result()), table.rows(_result()))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [dict(zip(table.names, row, strict=True)) for row in [*_ROWS, *_ROWS]]


def test_parquet(tmp_path: Path, table: OutcomeTable) -> None:
    """Times are UTC with nanoseconds, words and unknown numbers survive; batches follow one another."""
    path = _written(tmp_path / "outcomes.parquet", table, table.rows(_result()), table.rows(_result()))
    read = pq.read_table(path)
    assert str(read.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert read.column_names == list(table.names)
    columns = [read.column(name).to_pylist() for name in table.names[1:]]
    assert [list(row) for row in zip(*columns, strict=True)] == [row[1:] for row in [*_ROWS, *_ROWS]]
    assert read.column("time").null_count == 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_no_rows_make_a_file_all_the_same(tmp_path: Path, table: OutcomeTable, suffix: str) -> None:
    """An input without records has outcomes: none."""
    path = _written(tmp_path / f"outcomes.{suffix}", table)
    if suffix == "csv":
        assert path.read_text() == ",".join(table.names) + "\n"
    elif suffix == "parquet":
        assert (pq.read_table(path).column_names, pq.read_table(path).num_rows) == (list(table.names), 0)
    else:
        assert path.read_text() == ""


def test_tables_are_joined(table: OutcomeTable) -> None:
    """One under another; none at all keep the columns."""
    rows = table.rows(_result())
    whole = joined([rows, rows], table.names)
    assert whole["series"].tolist() == ['a, "b"', None, "é"] * 2
    assert {name: len(column) for name, column in joined([], table.names).items()} == dict.fromkeys(table.names, 0)


def test_a_suffix_that_is_none(tmp_path: Path) -> None:
    """The formats there are stand in the error."""
    with pytest.raises(ConfigError, match=r"--output: must end in \.csv, \.jsonl, \.parquet, was 'out\.xlsx'"):
        check_suffix(tmp_path / "out.xlsx")


def test_a_file_that_cannot_be_made(tmp_path: Path, table: OutcomeTable) -> None:
    """It is said before anything is judged."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="must be a file that can be written"):
        OutcomeFile(tmp_path / "file" / "outcomes.csv", table.names)
