"""Drafts of small files of the state: nobody else's, and gone when they are of no use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pynomaly_connectors.durable_file import draft_of, replace_durably, sweep_drafts
from pynomaly_connectors.kafka.start_ledger import StartLedger, Starts


def _replace(folder: Path) -> None:
    replace_durably(folder / "entry", b"whole")


def _start(folder: Path) -> None:
    StartLedger(folder).starts("events", lambda: Starts("id-a", {0: 12}))


@pytest.mark.parametrize("write", [_replace, _start])
def test_a_draft_of_another_process_with_this_number_is_left_alone(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """The first process of every container is number 1; two of them may share a folder."""
    others = [tmp_path / f".{name}{os.getpid()}.new" for name in ("", "entry.")]
    for draft in others:
        draft.write_bytes(b"half of another's")
    write(tmp_path)
    assert [draft.read_bytes() for draft in others] == [b"half of another's"] * 2
    assert draft_of(tmp_path / "entry") != draft_of(tmp_path / "entry")


def test_drafts_of_crashes_are_swept(tmp_path: Path) -> None:
    """What has its name stays; a folder that was never made has none."""
    replace_durably(tmp_path / "entry", b"whole")
    draft_of(tmp_path / "entry").write_bytes(b"torn")
    sweep_drafts(tmp_path)
    sweep_drafts(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]
