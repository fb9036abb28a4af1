"""The example of a package that adds a detector, installed by pip and used as its README says."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.program import pynomaly

_PACKAGE = Path(__file__).parents[2] / "examples" / "tukey-fence"
_ROWS, _SPIKE = 500, 400


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the package, as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([sys.executable, "-m", "pip", *install, "--target", target, _PACKAGE], check=True, timeout=120)
    return target


@pytest.fixture
def variables(site: Path) -> dict[str, str]:
    """What lets a program find the package."""
    return {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}


def _data(folder: Path) -> Path:
    """Write a wave of 20 to 24 with one spike."""
    path = folder / "data.csv"
    lines = [f"{row},{900 if row == _SPIKE else 20 + row % 5}" for row in range(_ROWS)]
    path.write_text("\n".join(["row,load", *lines, ""]))
    return path


def _detect(folder: Path, variables: dict[str, str]) -> list[dict[str, str]]:
    arguments = ["--value", "load", "--detector", "tukey_fence:window=100", "--output", "outcomes.csv"]
    done = pynomaly("detect", _data(folder), *arguments, folder=folder, variables=variables)
    assert done.returncode == 0, done.stderr
    with (folder / "outcomes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_listed_and_shown(site: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """With its origin, its memory and its options."""
    done = pynomaly("detectors", "list", "--json", folder=tmp_path, variables=variables)
    told = json.loads(done.stdout)
    (found,) = [one for one in told["detectors"] if one["origin"] != "pynomaly"]
    assert (found["name"], found["origin"]) == ("tukey_fence", "pynomaly-tukey-fence==1.0.0")
    assert found["bytes_per_series"] == 16 * 200 + 16
    assert [option["name"] for option in found["options"]] == ["window", "warm_up"]
    assert told["broken_plugins"] == []
    shown = pynomaly("detectors", "show", "tukey_fence", folder=tmp_path, variables=variables)
    assert "Exploratory Data Analysis" in shown.stdout
    assert site.exists()


@pytest.mark.slow
def test_it_detects_and_its_edits_count(site: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """It alerts at the spike; after an edit of a module that it imports, the cached kernel is not used again."""
    outcomes = _detect(tmp_path, variables)
    assert [row for row, outcome in enumerate(outcomes) if outcome["outcome"] == "anomalous"] == [_SPIKE]
    assert {outcome["expected"] for outcome in outcomes[100:]} == {"22.0"}
    module = site / "pynomaly_tukey_fence" / "ordered_window.py"
    text = module.read_text()
    module.write_text(text.replace("position = share * (count - 1)", "position = 0.0 * share * count"))
    try:
        assert {outcome["expected"] for outcome in _detect(tmp_path, variables)[100:]} == {"20.0"}
    finally:
        module.write_text(text)


@pytest.mark.slow
def test_its_own_tests_pass(site: Path) -> None:
    """Those of one layout: each further one is compiled for seconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not window", str(_PACKAGE)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        command, cwd=_PACKAGE, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout
