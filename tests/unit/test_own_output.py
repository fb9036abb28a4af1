"""A flow must not read its own output, however the paths of both are spelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.application.spec.parse import parse_flow
from unit.smallest_flow import lines, with_

INPUT = Path("data").absolute()


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data/a.jsonl", "data/a.jsonl"),
        ("data/a.jsonl", "./data/a.jsonl"),
        ("data/a.jsonl", "in/../data/a.jsonl"),
        ("data/a.jsonl", str(INPUT / "a.jsonl")),
        (str(INPUT / "*.jsonl"), "data/a.jsonl"),
        ("in/../data/*.jsonl", "data/a.jsonl"),
        ("data/*.jsonl", "data/a.jsonl"),
        ("data/**/*.jsonl", "data/a.jsonl"),
        ("data/**/*.jsonl", "data/x/y/a.jsonl"),
        ("**/*.jsonl", "a.jsonl"),
        ("data/**", "data/x/a.jsonl"),
        ("data/**/x/**/?.jsonl", "data/x/a.jsonl"),
        ("data/[ab].jsonl", "data/a.jsonl"),
        ("data/[ab].jsonl", "data/[ab].jsonl"),
    ],
)
def test_a_flow_must_not_read_its_own_output(pattern: str, path: str) -> None:
    """However input and output are spelt, one file is one file, and `**` also stands for no folder at all."""
    tree = with_(source={"kind": "files", "path": pattern}, output={"alerts": {"kind": "file", "path": path}})
    assert lines(tree) == ["output.alerts.path: must differ from the input, or the flow reads its own alerts"]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data/*.jsonl", "data/x/a.jsonl"),
        ("data/*/*.jsonl", "data/a.jsonl"),
        ("data/*.jsonl", "out/a.jsonl"),
        ("data/**/*.jsonl", "out/data/a.jsonl"),
        ("data/**/*.jsonl", "data/a.json"),
        ("data/**/*.jsonl", "data/.hidden/a.jsonl"),
        ("data/*.jsonl", "data/.a.jsonl"),
        ("data/a.jsonl", "/data/a.jsonl"),
    ],
)
def test_a_flow_may_write_beside_its_input(pattern: str, path: str) -> None:
    """A file that the input does not match is an output like any other; wildcards pass hidden files by."""
    tree = with_(source={"kind": "files", "path": pattern}, output={"alerts": {"kind": "file", "path": path}})
    assert parse_flow(tree).flow == "pumps"


def test_a_working_directory_is_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in the name of the folder that the program runs in mean themselves."""
    folder = tmp_path / "[x]"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tree = with_(
        source={"kind": "files", "path": "*.jsonl"},
        output={"alerts": {"kind": "file", "path": str(folder / "a.jsonl")}},
    )
    assert lines(tree) == ["output.alerts.path: must differ from the input, or the flow reads its own alerts"]
