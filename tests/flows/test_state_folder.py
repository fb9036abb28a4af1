"""A state folder is one flow's, one process's, and never silently somebody else's."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pynomaly.domain.error import StateError
from pynomaly_flows.key_group import ONLY_WORKER, Worker
from pynomaly_flows.state_folder import FlowIdentity, StateFolder

_IDENTITY = FlowIdentity("pumps", "abc123")


def _prepared(root: Path) -> StateFolder:
    folder = StateFolder(root)
    with folder.lock():
        folder.prepare(_IDENTITY)
    return folder


def _mark_as_run(folder: StateFolder) -> None:
    with sqlite3.connect(folder.recovery / "part-0.sqlite3") as store:
        store.execute("INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (0, 1, 1)")
    store.close()


def test_a_new_folder_is_made_and_prepared(tmp_path: Path) -> None:
    """The first start finds a store and the doctor's mark, and uses the mark up."""
    folder = _prepared(tmp_path / "state")
    assert (folder.recovery / "part-0.sqlite3").is_file()
    folder.take_prepared()
    with pytest.raises(StateError, match="must be prepared before each start"):
        folder.take_prepared()


def test_one_preparation_is_good_for_one_start_of_a_cluster(tmp_path: Path) -> None:
    """Each of its processes starts once, all of them as many as the first one said, and nobody alone meanwhile."""
    folder = _prepared(tmp_path)
    for index in (1, 0):
        folder.take_prepared(Worker(index, 2))
    for other in (Worker(0, 2), Worker(2, 3), ONLY_WORKER):
        with pytest.raises(StateError, match="must be prepared before each start"):
            folder.take_prepared(other)
    again = _prepared(tmp_path)
    assert again.take_prepared(Worker(0, 4)).partitions == ()


def test_processes_of_a_cluster_share_a_folder(tmp_path: Path) -> None:
    """It is prepared, or run by one process, only when none of them is left."""
    folder = StateFolder(tmp_path)
    with folder.lock(shared=True), folder.lock(shared=True), pytest.raises(StateError, match="must not be in use"):
        folder.lock()
    folder.lock().close()


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    """The folder names its holder; the first process keeps it."""
    folder = _prepared(tmp_path)
    code = (
        "import sys; from pathlib import Path; from pynomaly_flows.state_folder import StateFolder\n"
        "try: StateFolder(Path(sys.argv[1])).lock()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    with folder.lock():
        second = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
        )
    assert "StateError" in second.stdout
    assert f"was held by process {os.getpid()}" in second.stdout
    with folder.lock():
        pass


@pytest.mark.parametrize(
    ("identity", "complaint"),
    [
        (FlowIdentity("valves", "abc123"), "flow must be 'valves', was 'pumps'"),
        (FlowIdentity("pumps", "other"), "fingerprint must be 'other', was 'abc123'"),
    ],
)
def test_state_of_another_flow_is_refused(tmp_path: Path, identity: FlowIdentity, complaint: str) -> None:
    """A renamed or changed flow does not read on with foreign state."""
    folder = _prepared(tmp_path)
    with folder.lock(), pytest.raises(StateError, match=complaint):
        folder.prepare(identity)


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    """Bit rot in the database stops the start with the file's name and the way out."""
    folder = _prepared(tmp_path)
    file = folder.recovery / "part-0.sqlite3"
    data = bytearray(file.read_bytes())
    data[4096:8192] = b"\xa5" * 4096
    file.write_bytes(data)
    with folder.lock(), pytest.raises(StateError, match=r"part-0\.sqlite3 must be .*--reset-state"):
        folder.prepare(_IDENTITY)


def test_an_emptied_store_is_not_a_fresh_start(tmp_path: Path) -> None:
    """Deleting the database does not start the flow from zero."""
    folder = _prepared(tmp_path)
    (folder.recovery / "part-0.sqlite3").unlink()
    with folder.lock(), pytest.raises(StateError, match=r"part-0\.sqlite3 must exist, was missing"):
        folder.prepare(_IDENTITY)


def test_a_store_made_anew_is_told_from_the_old_one(tmp_path: Path) -> None:
    """Another folder's store, put in place by an operator, is refused."""
    folder, other = _prepared(tmp_path / "a"), _prepared(tmp_path / "b")
    _mark_as_run(other)
    shutil.copy(other.recovery / "part-0.sqlite3", folder.recovery / "part-0.sqlite3")
    with folder.lock(), pytest.raises(StateError, match="must be the one of this folder"):
        folder.prepare(_IDENTITY)


def test_a_missing_identity_is_not_a_fresh_start(tmp_path: Path) -> None:
    """A store that does not say whose it is stops the start."""
    folder = _prepared(tmp_path)
    folder.identity.unlink()
    with folder.lock(), pytest.raises(StateError, match="must say whose state this is"):
        folder.prepare(_IDENTITY)


def test_a_crash_while_the_folder_is_made_leaves_a_fresh_start(tmp_path: Path) -> None:
    """Half a store beside its place is thrown away."""
    (tmp_path / "recovery.new").mkdir(parents=True)
    (tmp_path / "recovery.new" / "part-0.sqlite3").write_bytes(b"half")
    assert (_prepared(tmp_path).recovery / "flow.json").is_file()


def test_a_start_sweeps_what_crashes_have_left(tmp_path: Path) -> None:
    """Drafts of the ledgers and of the identity have names of their own each: nothing else would ever delete them."""
    folder = _prepared(tmp_path)
    folder.starts.mkdir()
    drafts = [each / ".0123456789abcdef.new" for each in (folder.recovery, folder.starts, folder.outputs)]
    for draft in drafts:
        draft.write_bytes(b"torn")
    with folder.lock():
        folder.prepare(_IDENTITY)
    assert not [draft for draft in drafts if draft.exists()]


def test_ctrl_c_does_not_reach_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to every process of the session: the doctor has one of its own, and is not cut off."""
    tells = tmp_path / "python"
    program = [
        f"#!{sys.executable}",
        "import os, sys",
        f"open({str(tmp_path / 'sessions')!r}, 'w').write(f'{{os.getsid(0)}} {{os.getsid(os.getppid())}}')",
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])",
    ]
    tells.write_text("\n".join(program))
    tells.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tells))
    _prepared(tmp_path / "state")
    doctors, ours = (tmp_path / "sessions").read_text().split()
    assert doctors != ours


def test_reset_forgets_everything(tmp_path: Path) -> None:
    """After a reset another flow may use the folder."""
    folder = _prepared(tmp_path)
    with folder.lock():
        folder.reset()
        folder.prepare(FlowIdentity("valves", "x"))
        assert folder.take_prepared().partitions == ()
