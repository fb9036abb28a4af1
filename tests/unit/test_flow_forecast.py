"""`pynomaly flows explain --on`: what a flow will need, from a history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pynomaly.presentation.cli.main import main
from unit.pump_records import ROWS, write_flow, write_records


def test_figures_of_a_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Series, memory, checkpoint and alerts a day are those that the records tell; a broken one is counted."""
    records = write_records(tmp_path)
    with records.open("a") as file:
        file.write("2026-03-01T10:00:00Z,a,much,0\n")
    flow = str(write_flow(tmp_path, tmp_path / "elsewhere.csv"))
    assert main(["flows", "explain", flow, "--on", str(records), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = told["forecast"]
    assert (found["records"], found["rejected"], found["series"], found["partitions"]) == (2 * ROWS + 1, 1, 2, 1)
    assert found["series_bytes"] == 2 * found["bytes_per_series"]
    assert found["checkpoint_bytes"] > 2 * 1024  # two calibrators at least
    assert found["days"] == pytest.approx((ROWS - 1) / 1440, rel=1e-4)
    assert found["alerts_per_day"]["watch"] * found["days"] >= 2 - 1e-3  # both spikes
    assert found["cpu_s"] > 0
    assert found["stops_because"] is None
    assert "2 series in 1 input partitions or files" in told[f"On {records}"][0]


def test_only_the_last_week_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two spikes, three weeks apart, the later one is the only alert of the last seven days."""
    rows = [f"2026-03-{day:02}T{hour:02}:00:00Z,p,{(hour * 7) % 5},0" for day in range(1, 29) for hour in range(24)]
    rows[100] = rows[100].replace(rows[100].split(",")[2] + ",0", "500,0")
    rows[600] = rows[600].replace(rows[600].split(",")[2] + ",0", "9000,0")
    records = tmp_path / "records.csv"
    records.write_text("\n".join(["time,pump,load,odd", *rows]) + "\n")
    flow = str(write_flow(tmp_path, records))
    assert main(["flows", "explain", flow, "--on", str(records), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["forecast"]
    assert found["days"] == 7.0
    assert found["alerts_per_day"] == {"watch": pytest.approx(1 / 7, rel=1e-4)}


def test_what_would_stop_the_flow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of nothing but refused records is told as what it is, in a sentence."""
    records = tmp_path / "bad.csv"
    records.write_text("time,pump,load\n" + "2026-03-01T00:00:00Z,a,much\n" * 2_000)
    flow = str(write_flow(tmp_path, records))
    assert main(["flows", "explain", flow, "--on", str(records)]) == 0
    assert "The flow would stop before the end: " in capsys.readouterr().out
