"""`pynomaly explain`: one record, in words, for programs and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pynomaly.presentation.cli.main import main

_QUICKSTART = Path(__file__).parents[2] / "flows" / "quickstart.yaml"
_ALERT = 93  # the first critical alert of the quickstart
_HELD = 94  # suppressed right after it
_ROWS = 300
_OPTIONS = ["--value", "load", "--detector", "ew_zscore:calibration.warm_up=60"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the test's folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file without times: 20 to 24 in turns, a word, a spike at the end."""
    values: list[object] = [20 + row % 5 for row in range(_ROWS)]
    values[100], values[-1] = "\x1b[2Jword", 90
    path = tmp_path / "data.csv"
    path.write_text("load\n" + "".join(f"{value}\n" for value in values))
    return path


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["explain", *arguments, "--json"]) == 0
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_the_answer_is_that_of_the_replay(capsys: pytest.CaptureFixture[str]) -> None:
    """Outcome, reason, level and evidence are those of the outcome line."""
    assert main(["replay", str(_QUICKSTART), "--outcomes", "outcomes.jsonl", "--json"]) == 0
    capsys.readouterr()
    lines = [json.loads(line) for line in Path("outcomes.jsonl").read_text().splitlines()]
    for row in (_ALERT, _HELD):
        told = _json(capsys, str(_QUICKSTART), "--offset", str(row))
        assert list(lines[row]["contributions"]) == told["fired"]
        assert {name: told[name] for name in ("outcome", "reason", "level", "evidence", "time", "series")} == {
            name: lines[row][name] for name in ("outcome", "reason", "level", "evidence", "time", "series")
        }


def test_why_it_did_not_fire(capsys: pytest.CaptureFixture[str]) -> None:
    """What was there, what the level asked for, and what would have changed it."""
    assert main(["explain", str(_QUICKSTART), "--at", "2022-03-24T08:00:00Z"]) == 0
    told = capsys.readouterr().out
    assert "quickstart: record 94 of water_flow[0]" in told
    assert "suppressed (in_refractory)" in told
    assert "the series alerted lately and this is not much stronger" in told
    assert "A watch alert takes evidence" in told
    assert "more." in told
    found = _json(capsys, str(_QUICKSTART), "--row", str(_HELD))
    (channel,) = found["channels"]  # type: ignore[misc]
    for level in channel["levels"]:
        terms = [level[term] for term in ("threshold", "sampling", "habituation", "bump")]
        assert level["bar"] == pytest.approx(sum(terms))
        assert level["missing"] == pytest.approx(level["bar"] - channel["evidence"])
        assert level["fires"] is False
    assert channel["levels"][0]["records_since_alert"] == 1


def test_the_documented_example_is_real(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/explaining.md shows what the program says."""
    assert main(["explain", str(_QUICKSTART), "--at", "2022-03-24T08:00:00Z"]) == 0
    printed = [f"    {line}".rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "\n".join(printed) in (_QUICKSTART.parents[1] / "docs" / "explaining.md").read_text()


def test_why_it_fired(capsys: pytest.CaptureFixture[str]) -> None:
    """The parts that did, strongest first; their contributions sum to the evidence."""
    told = _json(capsys, str(_QUICKSTART), "--row", str(_ALERT))
    parts = {part["part"]: part["contribution"] for part in told["parts"]}  # type: ignore[attr-defined]
    assert told["fired"] == sorted((name for name in parts if parts[name] > 0), key=lambda name: -parts[name])
    assert sum(parts.values()) == pytest.approx(told["evidence"])
    (field,) = told["fields"].values()  # type: ignore[attr-defined]
    assert field["contribution"] == pytest.approx(told["evidence"])
    assert main(["explain", str(_QUICKSTART), "--row", str(_ALERT)]) == 0
    printed = capsys.readouterr().out
    assert "The evidence comes from ew_zscore" in printed
    assert "would not have alerted" in printed


def test_a_file_without_times(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is judged as `pynomaly detect` does; rows have no time."""
    told = _json(capsys, str(data), *_OPTIONS, "--row", str(_ROWS - 1))
    assert (told["flow"], told["outcome"], told["time"]) == ("detect", "anomalous", None)
    assert main(["explain", str(data), *_OPTIONS, "--at", "2024-01-01"]) == 78
    assert "--at: must be left out where records have no time: give --row" in capsys.readouterr().err


def test_a_rejected_record(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its reason and what it looked like, disarmed for the terminal; its bytes for programs."""
    assert main(["explain", str(data), *_OPTIONS, "--row", "100"]) == 0
    told = capsys.readouterr().out
    assert "rejected (not_a_number)" in told
    assert "word" in told
    assert "\x1b" not in told
    found = _json(capsys, str(data), *_OPTIONS, "--row", "100")
    assert found["raw"]["value"]  # type: ignore[index]
    assert "parts" not in found


def test_pictures(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a judged record, and of one of which there is nothing to draw."""
    for row, name in ((_ROWS - 20, "judged.svg"), (100, "rejected.svg")):
        assert main(["explain", str(data), *_OPTIONS, "--row", str(row), "--picture", name]) == 0
    drawn, empty = (Path(name).read_text() for name in ("judged.svg", "rejected.svg"))
    assert drawn.count("<path") > 2 * empty.count("<path")
    assert main(["explain", str(data), *_OPTIONS, "--row", "1", "--picture", "picture.txt"]) == 78
    assert "--picture: must end in .png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([str(_QUICKSTART)], "--offset, --at: must be given one of them, was none"),
        ([str(_QUICKSTART), "--row", "1", "--at", "2024-01-01"], "--offset, --at: must be given one of them, was both"),
        (
            [str(_QUICKSTART), "--row", "soon"],
            "--offset: must be a number from 0, perhaps after PARTITION:, was 'soon'",
        ),
        ([str(_QUICKSTART), "--row", "1", "--key", "a"], "--key: must be left out with --offset"),
        ([str(_QUICKSTART), "--at", "soon"], "--at: must be a time such as 2026-01-31T08:00:00Z, was 'soon'"),
        ([str(_QUICKSTART), "--row", "1", "--detector", "loda"], "--detector: must be left out with a flow"),
        (["data.csv", "--row", "1"], "--value: must be given with a file that is no flow"),
    ],
)
def test_what_cannot_be_asked(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before anything is read."""
    assert main(["explain", *arguments]) == 78
    assert problem in capsys.readouterr().err


def test_a_record_that_is_not_there(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is that of missing input."""
    assert main(["explain", str(data), *_OPTIONS, "--row", str(_ROWS)]) == 66
    assert f"error: the input must hold a record at {_ROWS}, held none" in capsys.readouterr().err
