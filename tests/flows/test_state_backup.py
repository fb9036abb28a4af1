"""Backups are whole or none; a restore never leaves a folder that looks sound and is not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pynomaly.domain.error import StateError, TransientError
from pynomaly.domain.record import Stream
from pynomaly.domain.seal import SealKey
from pynomaly.domain.state import StateImage
from pynomaly_flows import state_backup
from pynomaly_flows.side_files import SideFiles
from pynomaly_flows.state_backup import back_up, read_backup, restore
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
from pynomaly_flows.state_owner import Owner
from pynomaly_flows.state_summary import summarise
from pynomaly_flows.step import ENGINE, RECORDS, UNKEYED
from pynomaly_flows.unpickling import pickled

_IDENTITY = FlowIdentity("pumps", "abc123")
_OWNER = Owner(_IDENTITY, (SealKey.of(b"k" * 32),))


def _save(root: Path) -> StateFolder:
    """Make the state of a flow that has ended its first epoch, with a position and a large engine."""
    folder = StateFolder(root)
    with folder.lock():
        seals = folder.prepare(_IDENTITY, _OWNER.keys)
    image = StateImage({}, {"rows": np.arange(10_000)})
    reference = SideFiles(folder.side, 1_000).save(Stream("readings"), image).state
    rows = [
        (RECORDS, "readings:0", b'{"offset":7}'),
        (UNKEYED, "unkeyed:0", b'{"offset":9}'),
        (ENGINE, "readings:0#1", reference),
    ]
    with closing(sqlite3.connect(folder.recovery / "part-0.sqlite3")) as store, store:
        store.execute("INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (0, 1, 1)")
        store.execute("INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (0, 0, 2)")
        store.execute("INSERT INTO commits (part_index, commit_epoch) VALUES (0, 1)")
        store.executemany(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, 1, ?)",
            [(f"pumps.{step}", key, pickled(seals.seal(content, step, key))) for step, key, content in rows],
        )
    return folder


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound backup."""
    root = tmp_path_factory.mktemp("saved")
    _save(root / "state")
    back_up(root / "state", root / "backup", _OWNER)
    return root / "backup"


def test_a_restored_state_is_what_was_copied(backup: Path, tmp_path: Path) -> None:
    """Positions of both stages, epoch and side file, ready for a start."""
    restore(backup, tmp_path / "state", _OWNER)
    (summary,) = summarise(tmp_path / "state", _OWNER)
    assert summary.positions == {"unkeyed:0": '{"offset":9}', "readings:0": '{"offset":7}'}
    assert (summary.epoch, summary.starts, summary.side_files, summary.holder) == (2, 1, 1, None)
    assert summary.key == _OWNER.keys[0].id
    with StateFolder(tmp_path / "state").lock():
        StateFolder(tmp_path / "state").prepare(_IDENTITY, _OWNER.keys)


def test_state_is_not_overwritten_by_accident(backup: Path, tmp_path: Path) -> None:
    """Only by name, and never under a flow that runs."""
    restore(backup, tmp_path, _OWNER)
    with pytest.raises(StateError, match=r"must be empty, held state: .* --overwrite"):
        restore(backup, tmp_path, _OWNER)
    with StateFolder(tmp_path).lock(), pytest.raises(StateError, match="must not be in use"):
        restore(backup, tmp_path, _OWNER, overwrite=True)
    (tmp_path / "side" / "stray").write_text("of before")
    restore(backup, tmp_path, _OWNER, overwrite=True)
    assert not (tmp_path / "side" / "stray").exists()


def test_each_backup_has_a_folder_of_its_own(backup: Path, tmp_path: Path) -> None:
    """A folder that holds anything is left alone."""
    folder = _save(tmp_path / "state")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(StateError, match="must be a new or an empty folder"):
        back_up(folder.root, tmp_path / "full", _OWNER)
    with pytest.raises(StateError, match="must hold state to be copied"):
        back_up(tmp_path / "nothing", tmp_path / "target", _OWNER)
    assert backup.exists()


@pytest.mark.parametrize("name", ["recovery/part-0.sqlite3", "recovery/flow.json", "side"])
def test_a_harmed_backup_is_refused_and_the_state_stays(backup: Path, tmp_path: Path, name: str) -> None:
    """All of it is read before anything of the old state goes."""
    harmed = Path(shutil.copytree(backup, tmp_path / "harmed"))
    path = next((harmed / name).glob("*")) if (harmed / name).is_dir() else harmed / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (tmp_path / "state" / "recovery").mkdir(parents=True)
    with pytest.raises(StateError, match=f"{path.name} must be as backup.json says, was changed"):
        restore(harmed, tmp_path / "state", _OWNER, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["lock", "recovery"]
    path.unlink()
    with pytest.raises(StateError, match=r"must be there, as backup\.json says, was missing"):
        restore(harmed, tmp_path / "state", _OWNER, overwrite=True)


def test_what_is_no_backup_of_this_flow_is_told(backup: Path, tmp_path: Path) -> None:
    """Of another flow, of another key, half of one, or with names that lead elsewhere."""
    with pytest.raises(StateError, match="must be a backup of"):
        read_backup(backup, Owner(FlowIdentity("valves", "x"), _OWNER.keys))
    with pytest.raises(StateError, match="earlier_keys"):
        read_backup(backup, Owner(_IDENTITY, (SealKey.of(b"o" * 32),)))
    with pytest.raises(StateError, match="must say what the backup holds, was missing"):
        read_backup(tmp_path, _OWNER)
    (tmp_path / "backup.json").write_text(
        '{"format":1,"flow":"pumps","fingerprint":"abc123","made":"now","folders":["../x"],"files":{}}'
    )
    with pytest.raises(StateError, match=r"must name files of the backup, named '\.\./x'"):
        read_backup(tmp_path, Owner(_IDENTITY))


def test_a_restore_that_was_cut_off_is_no_fresh_start(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it left, no flow starts on it; repeating it mends it."""

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(state_backup, "_move_into", die)
        with pytest.raises(KeyboardInterrupt):
            restore(backup, tmp_path, _OWNER)
    folder = StateFolder(tmp_path)
    with folder.lock(), pytest.raises(StateError, match="must be whole, was left by a restore that was cut off"):
        folder.prepare(_IDENTITY, _OWNER.keys)
    restore(backup, tmp_path, _OWNER, overwrite=True)
    folder.check_whole()


def test_a_side_file_that_vanishes_begins_the_copy_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a checkpoint replaces it meanwhile; a flow that is always faster is told so, and nothing is left."""
    folder = _save(tmp_path / "state")
    (file,) = folder.side.glob("*")
    copy_really, hidden = state_backup._copy_database, tmp_path / "hidden"  # pyright: ignore[reportPrivateUsage]
    file.rename(hidden)

    def copy(source: Path, target: Path) -> None:
        attempts.append(target)
        if len(attempts) == back_after:
            hidden.rename(file)
        copy_really(source, target)

    monkeypatch.setattr(state_backup, "_copy_database", copy)
    monkeypatch.setattr(state_backup, "_ATTEMPTS", 2)
    attempts, back_after = list[Path](), 3
    with pytest.raises(TransientError, match=r"were replaced 2 times: .*checkpoint\.every"):
        back_up(folder.root, tmp_path / "backup", _OWNER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hidden", "state"]
    attempts, back_after = [], 2
    assert back_up(folder.root, tmp_path / "backup", _OWNER).size > file.stat().st_size


def test_shards_are_copied_together(tmp_path: Path) -> None:
    """Each keeps its folder."""
    for number in range(2):
        _save(tmp_path / "state" / f"shard-{number}-of-2")
    assert back_up(tmp_path / "state", tmp_path / "backup", _OWNER).folders == ("shard-0-of-2", "shard-1-of-2")
    restore(tmp_path / "backup", tmp_path / "new", _OWNER)
    assert [summary.starts for summary in summarise(tmp_path / "new", _OWNER)] == [1, 1]
