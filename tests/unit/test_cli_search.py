"""`pynomaly search`: values of options chosen on labels, and scored elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pynomaly.application.quality.objective import Objective
from pynomaly.presentation.cli.main import main
from pynomaly.presentation.cli.search import ObjectiveName

_ROWS = 900
_SPIKES = (150, 320, 480, 620, 800)


def _flow(folder: Path) -> Path:
    """Write a series with five spikes in five folds, its labels, and a flow that waits for far larger ones."""
    random = np.random.default_rng(11)
    lines = ["time,load,odd"]
    for row in range(_ROWS):
        odd = row in _SPIKES
        lines.append(f"2026-03-01T{row // 60:02}:{row % 60:02}:00Z,{random.normal() + 20 * odd:.5f},{int(odd)}")
    (folder / "records.csv").write_text("\n".join(lines) + "\n")
    flow = {
        "flow": "deaf",
        "source": {"kind": "files", "path": "${RECORDS:-records.csv}"},
        "record": {"time": {"field": "time"}, "values": ["load"]},
        "detectors": [{"detector": "ew_zscore", "minimum_absolute": 90, "calibration": {"warm_up": 50}}],
        "alert": {"levels": {"watch": 2.0}},
        "output": {"alerts": {"kind": "terminal"}},
    }
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump(flow))
    return path


def _searched(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["search", *arguments, "--jobs", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_a_deaf_flow_learns_to_hear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is chosen on earlier folds finds the spikes of later ones; the written flow is the old one but for that."""
    flow, better = _flow(tmp_path), tmp_path / "better.yaml"
    monkeypatch.chdir(tmp_path)
    vary = ["--vary", "detectors.0.minimum_absolute=1.0..200.0:log", "--labels", "column:odd", "--trials", "12"]
    found = _searched(capsys, str(flow), *vary, "--output", str(better))
    (in_time,) = found["held_out"]
    assert in_time["unchanged"] == 0.0
    assert in_time["score"] > 0.3
    assert found["on_all_labels"]["score"] >= in_time["score"] - 0.2
    assert found["on_all_labels"]["unchanged"] == 0.0
    chosen = found["changes"]["detectors.0.minimum_absolute"]
    assert 1.0 <= chosen < 20.0  # the size of the spikes
    scores = [trial["score"] for trial in found["all_trials"]]
    assert len(scores) == 13
    assert found["quantiles"]["1"] == max(scores[1:])
    written = yaml.safe_load(better.read_text())
    old = yaml.safe_load(flow.read_text())
    assert written["detectors"][0].pop("minimum_absolute") == chosen
    del old["detectors"][0]["minimum_absolute"]
    assert written == old  # its reference to the environment too
    assert _searched(capsys, str(flow), *vary)["changes"] == found["changes"]


def test_a_corpus_with_its_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Halves and groups are kept out, and the level is chosen too."""
    random = np.random.default_rng(2)
    (tmp_path / "labels").mkdir()
    windows: dict[str, list[list[str]]] = {}
    for group in ("one", "two"):
        (tmp_path / "data" / group).mkdir(parents=True)
        times = np.datetime64("2026-03-01T00:00:00") + np.arange(400) * np.timedelta64(300, "s")
        values = random.normal(size=400) + 30 * (np.arange(400) == 300)
        rows = [f"{time},{value}" for time, value in zip(times, values, strict=True)]
        (tmp_path / f"data/{group}/0.csv").write_text("\n".join(["timestamp,value", *rows]))
        windows[f"{group}/0.csv"] = [[str(times[295]), str(times[310])]]
    (tmp_path / "labels/combined_windows.json").write_text(json.dumps(windows))
    arguments = ["ew_zscore:calibration.warm_up=50", "--corpus", "nab", str(tmp_path), "--vary", "alert.bump=2..9"]
    threshold = ["--objective", "nab", "--trials", "2", "--splits", "2", "--choose-threshold"]
    found = _searched(capsys, *arguments, *threshold, "--level", "watch=0.1")
    assert [one["rule"] for one in found["held_out"]] == [
        "chosen on half of the series, scored on the other",
        "chosen on other groups",
    ]
    assert found["on_all_labels"]["score"] >= found["on_all_labels"]["unchanged"]
    assert found["held_out"][1]["score"] > 60
    assert found["changes"]["alert.levels"] == {"watch": found["threshold"]}


def test_tables_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The honest figure stands above the other one; every option has a row."""
    flow = _flow(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ["--vary", "detectors.0.direction=both|above", "--labels", "column:odd", "--objective", "vus-pr"]
    assert main(["search", str(flow), *arguments, "--trials", "2", "--jobs", "1", "--folds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("1 series, 2 random configurations of 1 options; VUS-PR")
    honest, other = (next(n for n, line in enumerate(lines) if line.startswith(t)) for t in ("chosen on", "chosen and"))
    assert honest < other
    assert any(line.startswith("detectors.0.direction") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--vary", "detectors.0.minimum_absolute=-5..5"], "detectors[0].minimum_absolute"),
        (["--vary", "detectors.0.half_life=5"], "--vary: must be KEY=LOW..HIGH"),
        (["--vary", "detectors.0.half_life=5..9", "--labels", "none.csv"], "labels none.csv must be a readable file"),
    ],
)
def test_what_cannot_be_searched(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line that says what must hold, before any work."""
    flow = _flow(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["search", str(flow), "--labels", "column:odd", *arguments]) != 0
    assert complaint in capsys.readouterr().err


def test_every_objective_has_a_name() -> None:
    """The command knows the words of all objectives without loading them for its help."""
    assert [name.value for name in ObjectiveName] == [objective.value for objective in Objective]
