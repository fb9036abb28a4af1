"""Room for a checkpoint is looked for before it is needed; errors that are foreseen leave no notice of a panic."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pynomaly.domain.error import UnavailableError
from pynomaly.domain.record import Stream
from pynomaly_flows import disk_room
from pynomaly_flows.disk_room import DiskRoom, is_full_disk
from pynomaly_flows.foreseen import foreseen, without_notices

_STREAM = Stream("readings")


def _free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(disk_room.os, "statvfs", lambda _: SimpleNamespace(f_bavail=size, f_frsize=1))


def test_the_log_of_the_store_is_reserved(tmp_path: Path) -> None:
    """For 1,000 pages and what a checkpoint writes; rows that grow reserve more."""
    log = tmp_path / "part-0.sqlite3-wal"
    room = DiskRoom(tmp_path)
    room.check()
    assert not log.exists(), "only SQLite makes it"
    log.write_bytes(b"frames")
    room.check()
    before = log.stat().st_size
    assert before > 1_000 * 4_120
    assert log.read_bytes()[:6] == b"frames"
    room.grow(_STREAM, 1_000_000)
    assert log.stat().st_size == before + 2_000_000


@pytest.mark.parametrize(("rows", "free", "fits"), [(0, 600_000, True), (100_000, 600_000, False), (0, 400_000, False)])
def test_a_checkpoint_that_would_not_fit_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, free: int, *, fits: bool
) -> None:
    """The error says how much is needed and how much there is."""
    _free(monkeypatch, free)
    room = DiskRoom(tmp_path)
    if fits:
        room.grow(_STREAM, rows)
    else:
        with pytest.raises(UnavailableError, match=rf"must have room for .* bytes, had not \({free:,} were free\)"):
            room.grow(_STREAM, rows)


def test_a_panic_for_want_of_room_is_told_from_others() -> None:
    """Should another program have taken even what was reserved."""
    panic = type("PanicException", (BaseException,), {})
    assert is_full_disk(panic("SqliteFailure(Error { code: DiskFull, extended_code: 13 })"))
    assert not is_full_disk(panic("index out of bounds"))
    assert not is_full_disk(ValueError("DiskFull"))


@foreseen
def _fail(error: Exception) -> None:
    raise error


def _fail_with_notice(error: Exception) -> None:
    try:
        _fail(error)
    finally:
        os.write(2, b"notice")


@pytest.mark.parametrize(("error", "shown"), [(UnavailableError("x"), ""), (ValueError("x"), "notice")])
def test_notices_of_foreseen_errors_are_left_out(
    capfd: pytest.CaptureFixture[str], error: Exception, shown: str
) -> None:
    """From the error on until somebody tells of it; those of bugs stay, and so does what comes later."""
    with without_notices(), pytest.raises(type(error)):
        _fail_with_notice(error)
    os.write(2, b"; later")
    assert capfd.readouterr().err == f"{shown}; later"


def test_elsewhere_nothing_is_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    """Under plain Bytewax nobody else tells of the error."""
    with pytest.raises(UnavailableError):
        _fail(UnavailableError("x"))
    os.write(2, b"notice")
    assert capfd.readouterr().err == "notice"
