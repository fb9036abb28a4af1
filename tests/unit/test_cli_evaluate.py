"""`pynomaly evaluate`: flows and detectors against labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynomaly.presentation.cli.main import main
from unit.pump_records import ROWS, write_flow, write_labels, write_records

_DETECTOR = ["--detector", "ew_zscore:calibration.warm_up=50", "--level", "watch=2"]


def _columns(records: Path) -> list[str]:
    return ["--on", str(records), "--time", "time", "--value", "load", "--series", "pump"]


def _evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["evaluate", *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_detectors_on_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both spikes are found, the first two minutes after its label begins; baselines stand beside."""
    records = write_records(tmp_path)
    document = _evaluated(capsys, *_DETECTOR, *_columns(records), "--labels", str(write_labels(tmp_path)))
    names = [contender["name"] for contender in document["contenders"]]
    assert names == ["ew_zscore:calibration.warm_up=50", "random", "last value", "running range", "EW z"]
    alerts = document["contenders"][0]["alerts"]
    assert (alerts["records"], alerts["windows"], alerts["found"]) == (2 * ROWS, 2, 2)
    assert alerts["delay_records"]["median"] == 1.0  # of 2 and 0
    assert alerts["delay_s"]["median"] == 60.0
    assert document["contenders"][0]["ranking"]["auc_roc"] == pytest.approx(
        document["contenders"][0]["series"][0]["auc_roc"]
    )
    assert document["contenders"][1]["alerts"]["found"] == 0
    assert [one["windows"] for one in document["contenders"][0]["series"]] == [2, 0]


def test_a_flow_equals_its_detectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures from a flow file and from the command line, and the same bytes again."""
    records, labels = write_records(tmp_path), str(write_labels(tmp_path))
    flow = str(write_flow(tmp_path, records))
    one = _evaluated(capsys, flow, "--labels", labels, "--no-baselines")
    other = _evaluated(capsys, *_DETECTOR, *_columns(records), "--labels", labels, "--no-baselines")
    assert one["contenders"][0]["name"] == "pumps"
    for figures in ("alerts", "nab", "ranking", "series"):
        assert one["contenders"][0][figures] == other["contenders"][0][figures]
    assert _evaluated(capsys, flow, "--labels", labels, "--no-baselines") == one


def test_a_column_of_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that it marks are the windows; it is no value."""
    flow = str(write_flow(tmp_path, write_records(tmp_path)))
    document = _evaluated(capsys, flow, "--labels", "column:odd", "--no-baselines")
    alerts = document["contenders"][0]["alerts"]
    assert (alerts["windows"], alerts["found"], alerts["delay_records"]["p90"]) == (2, 2, 0.0)


def test_files_without_series_are_named_by_their_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The end of the path will do."""
    records = write_records(tmp_path)
    labels = tmp_path / "windows.json"
    labels.write_text(json.dumps({"records.csv": [["2026-03-01 03:18:00", "2026-03-01 03:25:00"]], "other.csv": []}))
    arguments = ["--on", str(records), "--time", "time", "--value", "load", "--labels", str(labels)]
    document = _evaluated(capsys, *_DETECTOR, *arguments, "--no-baselines")
    assert document["contenders"][0]["alerts"]["found"] == 1


def _corpus(folder: Path) -> Path:
    random = np.random.default_rng(8)
    (folder / "labels").mkdir()
    windows: dict[str, list[list[str]]] = {}
    for group in ("one", "two"):
        (folder / "data" / group).mkdir(parents=True)
        for number in range(2):
            values = random.normal(size=ROWS) + 50 * (np.arange(ROWS) == 400)
            times = np.datetime64("2026-03-01T00:00:00") + np.arange(ROWS) * np.timedelta64(300, "s")
            rows = [f"{time},{value}" for time, value in zip(times, values, strict=True)]
            (folder / f"data/{group}/{number}.csv").write_text("\n".join(["timestamp,value", *rows]))
            windows[f"{group}/{number}.csv"] = [[str(times[395]), str(times[410])]]
    (folder / "labels/combined_windows.json").write_text(json.dumps(windows))
    return folder


def test_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Thresholds chosen elsewhere find spikes as clear as these; the number of processes changes nothing."""
    arguments = [*_DETECTOR, "--corpus", "nab", str(_corpus(tmp_path)), "--no-baselines", "--choose-threshold"]
    document = _evaluated(capsys, *arguments, "--splits", "3", "--jobs", "1")
    standard = document["contenders"][0]["nab"]["standard"]
    assert standard["built_in"] > 60
    assert standard["built_in"] <= standard["chosen"]
    assert standard["left_out"] > 60
    assert set(standard["halves"]) == {"mean", "sd"}
    assert _evaluated(capsys, *arguments, "--splits", "3", "--jobs", "2") == document


def test_a_flow_on_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its detectors and levels judge other records than its own, as detectors from the command line do."""
    place = ["--corpus", "nab", str(_corpus(tmp_path)), "--no-baselines", "--jobs", "1"]
    flow = _evaluated(capsys, str(write_flow(tmp_path, tmp_path / "none.csv")), *place)
    assert flow["contenders"][0]["alerts"]["found"] == 4
    assert flow["contenders"][0]["series"] == _evaluated(capsys, *_DETECTOR, *place)["contenders"][0]["series"]


def test_tables_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a contender, one a series if asked."""
    flow = str(write_flow(tmp_path, write_records(tmp_path)))
    arguments = ["--labels", str(write_labels(tmp_path)), "--each", "--choose-threshold", "--against", "jump ew_zscore"]
    assert main(["evaluate", flow, *arguments]) == 0
    text = capsys.readouterr().out
    assert text.startswith("pumps: 2 series, 1,200 records, 2 labelled windows\n")
    for name in ("pumps", "jump ew_zscore", "random", "last value", "running range", "EW z"):
        assert sum(line.startswith(name) for line in text.splitlines()) >= 3
    assert "2 of 2" in text
    assert [line.split()[0] for line in text.splitlines()[-2:]] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--labels", "l.csv"], "--on: must be given with --detector and without a flow"),
        (["FLOW"], "--labels: must be given: a label file, or column:NAME"),
        (["FLOW", "--labels", "l.txt"], "--labels: must end in .csv or .json, or be column:NAME, was 'l.txt'"),
        (["FLOW", "--labels", "no.csv"], "labels no.csv must be a readable file"),
        (["FLOW", "--labels", "LABELS", "--detector", "jump"], "--detector: must be left out with a flow"),
        (["FLOW", "--labels", "column:pump"], "column 'pump' must be a number in every record"),
        (["FLOW", "--labels", "OTHER"], "--labels: must name series of the input, such as a, b, were x"),
        (["--corpus", "nab", ".", "--labels", "l.csv"], "--labels: must be left out with --corpus"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what must hold."""
    other = tmp_path / "other.csv"
    other.write_text("series,start,end\nx,1,2\n")
    places = {"FLOW": write_flow(tmp_path, write_records(tmp_path)), "LABELS": write_labels(tmp_path), "OTHER": other}
    assert main(["evaluate", *(str(places.get(argument, argument)) for argument in arguments)]) != 0
    assert complaint in capsys.readouterr().err
