"""Large states go into files named by their content; what is torn, missing or foreign is never used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.record import Stream
from pynomaly.domain.state import StateImage, pack
from pynomaly_flows import side_files
from pynomaly_flows.side_file import SideFile
from pynomaly_flows.side_files import SideFiles

_STREAM = Stream("readings", 1)
_LARGE = 10_000


def _image(seed: int, size: int = _LARGE) -> StateImage:
    return StateImage({"seed": seed}, {"rows": np.random.default_rng(seed).integers(0, 255, size, np.uint8)})


@pytest.fixture
def files(tmp_path: Path) -> SideFiles:
    """A folder whose files begin at 1,000 bytes."""
    return SideFiles(tmp_path / "side", inline_bytes=1_000)


def _names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "side").glob("*")}


def test_a_large_state_comes_back_through_a_small_reference(files: SideFiles) -> None:
    """The store keeps some 200 bytes, however large the state is."""
    saved = files.save(_STREAM, _image(1))
    loaded = files.load(_STREAM, saved.state)
    assert saved.size > _LARGE
    assert len(saved.state) < 300
    assert loaded.header == {"seed": 1}
    assert loaded.sections["rows"].tobytes() == _image(1).sections["rows"].tobytes()


def test_a_small_state_goes_into_the_store(files: SideFiles, tmp_path: Path) -> None:
    """Below the bound there is no file at all."""
    saved = files.save(_STREAM, _image(1, 100))
    assert saved.state == pack(_image(1, 100))
    assert files.load(_STREAM, saved.state).header == {"seed": 1}
    assert not (tmp_path / "side").exists()


def test_the_durable_generation_stays_beside_the_one_just_written(files: SideFiles, tmp_path: Path) -> None:
    """A crash before the new reference is durable finds the file of the old one; older ones go, by stream."""
    written = [SideFile.referred_to(files.save(_STREAM, _image(seed)).state) for seed in range(4)]
    other = SideFile.referred_to(files.save(Stream("readings", 2), _image(9)).state)
    kept = {file.name for file in (*written[-2:], other) if file is not None}
    assert _names(tmp_path) == kept
    assert len(kept) == 3


def test_an_unchanged_state_is_not_written_again(files: SideFiles, tmp_path: Path) -> None:
    """Equal states are one file, which stays as long as either reference may be needed."""
    first = files.save(_STREAM, _image(1))
    (path,) = (tmp_path / "side").glob("*")
    inode = path.stat().st_ino
    for _ in range(3):
        assert files.save(_STREAM, _image(1)) == first
    assert path.stat().st_ino == inode


def test_what_nothing_refers_to_is_swept(files: SideFiles, tmp_path: Path) -> None:
    """Files of epochs that a crash cut off, and drafts, go at a start; what the store refers to stays."""
    old = SideFile.referred_to(files.save(_STREAM, _image(1)).state)
    files.save(_STREAM, _image(2))
    (tmp_path / "side" / ".123.new").write_bytes(b"torn")
    assert old is not None
    assert files.sweep([old]) == 2
    assert _names(tmp_path) == {old.name}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _swap(path: Path) -> None:
    path.write_bytes(pack(_image(3)))


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (_flip, "checksum must match"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "checksum must match"),
        (lambda path: path.write_bytes(b""), "must be readable"),
        (Path.unlink, "must be readable, was not .*No such file"),
        (_swap, "must be the one that the store refers to"),
    ],
    ids=["flipped", "cut", "empty", "gone", "swapped"],
)
def test_a_harmed_file_is_refused_by_name(
    harm: Callable[[Path], object], text: str, files: SideFiles, tmp_path: Path
) -> None:
    """The error names the file and the ways out, and nothing of the content is used."""
    saved = files.save(_STREAM, _image(1))
    (path,) = (tmp_path / "side").glob("*")
    harm(path)
    with pytest.raises(StateError, match=f"side file .*{path.name}.*{text}.*restore .*--reset-state"):
        files.load(_STREAM, saved.state)


def test_a_missing_or_cut_file_is_found_without_reading(files: SideFiles, tmp_path: Path) -> None:
    """A start looks at names and lengths before anything is resumed."""
    wanted = SideFile.referred_to(files.save(_STREAM, _image(1)).state)
    assert wanted is not None
    assert files.missing([wanted]) is None
    (path,) = (tmp_path / "side").glob("*")
    os.truncate(path, wanted.size - 1)
    assert files.missing([wanted]) == wanted


def test_a_reference_leads_nowhere_else(files: SideFiles) -> None:
    """A name that is no checksum, such as a path, is refused."""
    forged = pack(StateImage({"side_file": "../../etc/passwd", "size": 3}, {}))
    with pytest.raises(StateError, match="must be named by its checksum"):
        files.load(_STREAM, forged)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a write fail in the middle, as on a full disk."""

    def write(descriptor: int, buffer: memoryview) -> int:
        if len(buffer) > 4_000:
            return write_really(descriptor, buffer[:4_000])
        raise OSError(28, "No space left on device")

    write_really = os.write
    monkeypatch.setattr(side_files.os, "write", write)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_stops_the_epoch_and_leaves_no_rubbish(files: SideFiles, tmp_path: Path) -> None:
    """The error says what to do, and the half-written file does not keep the disk full."""
    with pytest.raises(UnavailableError, match=r"must take 10,\d+ bytes, did not: No space left on device; make room"):
        files.save(_STREAM, _image(1))
    assert _names(tmp_path) == set()
