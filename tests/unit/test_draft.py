"""Drafts: a file keeps its old content until the new one is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pynomaly_connectors.files.draft import Draft


def test_the_old_content_stands_until_the_draft_is_kept(tmp_path: Path) -> None:
    """Links stay links and modes stay modes."""
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_text("old")
    kept.chmod(0o640)
    link.symlink_to(kept)
    draft = Draft(link)
    draft.path.write_text("new")
    assert kept.read_text() == "old"
    draft.keep()
    assert (link.is_symlink(), kept.read_text(), kept.stat().st_mode & 0o777) == (True, "new", 0o640)
    assert sorted(tmp_path.iterdir()) == [kept, link]


def test_a_dropped_draft_leaves_no_trace(tmp_path: Path) -> None:
    """Neither beside an old file nor where there was none; dropping what was never written is no error."""
    old = tmp_path / "old"
    old.write_text("old")
    for path in (old, tmp_path / "none"):
        draft = Draft(path)
        draft.path.write_text("new")
        draft.drop()
        draft.drop()
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


def test_folders_are_made(tmp_path: Path) -> None:
    """A new file may be the first of its folder."""
    draft = Draft(tmp_path / "a" / "b" / "new")
    draft.path.write_text("new")
    draft.keep()
    assert (tmp_path / "a" / "b" / "new").read_text() == "new"


def test_devices_are_written_as_they_are() -> None:
    """Nothing can stand beside /dev/null, and it must not be replaced or removed."""
    draft = Draft(Path(os.devnull))
    assert draft.path == Path(os.devnull)
    draft.keep()
    draft.drop()
    assert not Path(os.devnull).is_file()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is refused before anything is written."""
    with pytest.raises(IsADirectoryError):
        Draft(tmp_path)
