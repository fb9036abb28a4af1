"""`pynomaly backtest`: several specs on the same history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pynomaly.presentation.cli.main import main
from unit.pump_records import ROWS, write_flow, write_labels, write_records

_DEAF = "ew_zscore:minimum_absolute=100,calibration.warm_up=50"  # hears the spike of 200, not that of 50


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["backtest", *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_what_only_one_spec_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The smaller spike is told with its value, its expectation and its parts; the larger one is shared."""
    flow = str(write_flow(tmp_path, write_records(tmp_path)))
    document = _told(capsys, flow, _DEAF, "--level", "watch=2")
    pumps, deaf = document["specs"]
    assert (pumps["name"], deaf["name"], document["series"]) == ("pumps", _DEAF, 2)
    assert pumps["records"] == deaf["records"] == 2 * ROWS
    assert pumps["bytes_per_series"] == deaf["bytes_per_series"] > 0
    assert deaf["alerts"] == {"watch": 1, "warning": 0, "critical": 0}
    assert deaf["alerted_series"] == 1
    assert deaf["events_only_here"] == 0
    days = (ROWS - 1) / 1440  # a record a minute
    assert deaf["alerts_per_day"] == pytest.approx(1 / days, rel=1e-4)
    assert deaf["alerts_per_series_day"] == pytest.approx(1 / (2 * days), rel=1e-4)
    assert document["shared_ratio"][0][1] == pytest.approx(1 / pumps["alerts"]["watch"], abs=1e-6)
    spike = next(one for one in document["only_one"] if one["first"]["time"] == "2026-03-01T03:20:00Z")
    assert (spike["spec"], spike["series"], spike["alerts"]) == ("pumps", "a", 1)
    strongest = spike["strongest"]
    assert strongest["values"]["load"] == pytest.approx(50, abs=5)
    assert strongest["expected"]["load"] == pytest.approx(0, abs=2)
    assert sum(strongest["parts"].values()) == pytest.approx(strongest["evidence"])
    evidences = [one["strongest"]["evidence"] for one in document["only_one"]]
    assert evidences == sorted(evidences, reverse=True)  # all of one level
    assert not any(one["first"]["time"] == "2026-03-01T08:20:00Z" for one in document["only_one"])


def test_labels_bring_the_figures_of_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same flow against the same labels has the same quality in both commands."""
    flow, labels = str(write_flow(tmp_path, write_records(tmp_path))), str(write_labels(tmp_path))
    document = _told(capsys, flow, _DEAF, "--level", "watch=2", "--labels", labels)
    assert main(["evaluate", flow, "--labels", labels, "--no-baselines", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)["contenders"][0]
    tested, deaf = document["quality"]["contenders"]
    for figures in ("alerts", "nab", "ranking", "series"):
        assert tested[figures] == evaluated[figures]
    assert (deaf["alerts"]["found"], deaf["alerts"]["windows"]) == (1, 2)


def test_tables_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each spec, those of one name apart by numbers; one picture of the series that differs."""
    flow, folder = str(write_flow(tmp_path, write_records(tmp_path))), tmp_path / "pictures"
    arguments = [flow, flow, _DEAF, "--level", "watch=2", "--plot", str(folder), "--top", "1"]
    assert main(["backtest", *arguments]) == 0
    text = capsys.readouterr().out
    for name in ("pumps ", "pumps (2) ", _DEAF):
        assert any(line.startswith(name) for line in text.splitlines())
    assert "every event was found by more than one spec" in text
    assert not folder.exists()
    assert main(["backtest", flow, _DEAF, *arguments[3:]]) == 0
    assert "1 picture in" in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["01-a.png"]


def test_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its series are judged each by itself, and its labels are there."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "one").mkdir(parents=True)
    values = [float(row % 7) + 90 * (row == 400) for row in range(ROWS)]
    lines = [f"2026-03-01T{row // 60:02}:{row % 60:02}:00,{value}" for row, value in enumerate(values)]
    (tmp_path / "data/one/0.csv").write_text("\n".join(["timestamp,value", *lines]))
    windows = {"one/0.csv": [["2026-03-01T06:35:00", "2026-03-01T06:50:00"]]}
    (tmp_path / "labels/combined_windows.json").write_text(json.dumps(windows))
    arguments = ["--level", "watch=2", "--corpus", "nab", str(tmp_path)]
    document = _told(capsys, "ew_zscore:calibration.warm_up=50", _DEAF, *arguments)
    assert [spec["alerts"]["watch"] for spec in document["specs"]] == [1, 0]
    assert document["only_one"][0]["series"] == "one/0.csv"
    assert document["only_one"][0]["first"] == {"offset": 400, "time": "2026-03-01T06:40:00Z"}
    assert [one["alerts"]["found"] for one in document["quality"]["contenders"]] == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["ew_zscore", "jump"], "--on: must be given where no SPEC is a flow file"),
        (["ew_zscore", "jump", "--corpus", "nab", ".", "--on", "x.csv"], "--on: must be left out with --corpus"),
        (["none.yaml", "jump"], "none.yaml must be a readable file"),
        (["FLOW", "jump", "--plot", "FLOW"], "--plot: must be a folder"),
        (["FLOW", "jump", "--on", "nothing-*.csv"], "nothing-*.csv"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what must hold."""
    flow = str(write_flow(tmp_path, write_records(tmp_path)))
    assert main(["backtest", *(flow if argument == "FLOW" else argument for argument in arguments)]) != 0
    assert complaint in capsys.readouterr().err
