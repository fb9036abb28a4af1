"""`pynomaly detect` on every file of the Numenta Anomaly Benchmark: no crash, one row a record, pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pynomaly.presentation.cli.main import main

_DATA = Path(__file__).parents[2] / "../shared/data/nab/data"
_FILES = sorted(_DATA.rglob("*.csv"))
#: One of each kind that is hard to draw: long, spiky with large numbers, flat, with tiny values.
_DRAWN = {
    "machine_temperature_system_failure.csv",
    "ec2_disk_write_bytes_1ef3de.csv",
    "art_flatline.csv",
    "exchange-2_cpc_results.csv",
}

pytestmark = pytest.mark.skipif(not _FILES, reason="needs the Numenta Anomaly Benchmark in ../shared/data/nab")


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_record_has_an_outcome(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows of the outcomes are those of the file, in order, with the same values."""
    output, picture = tmp_path / "outcomes.csv", tmp_path / "picture.png"
    drawing = ["--plot", str(picture)] if path.name in _DRAWN else []
    options = ["--time", "timestamp", "--value", "value", "--output", str(output), *drawing]
    assert main(["detect", str(path), *options]) == 0
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [float(record["value"]) for record in records]
    assert [row["time"] for row in rows] == [record["timestamp"].replace(" ", "T") + "Z" for record in records]
    assert {row["outcome"] for row in rows} <= {"normal", "anomalous", "suppressed", "warming"}
    alerts = sum(row["outcome"] == "anomalous" for row in rows)
    assert f"{len(records):,} records" in capsys.readouterr().out
    assert alerts < len(records) / 100
    assert not drawing or picture.read_bytes().startswith(b"\x89PNG")
