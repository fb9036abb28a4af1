"""Copies of a flow's state: made while it runs, and brought back.

::

    BACKUP/
      backup.json       what belongs to it, file by file with size and checksum; written last, sealed like the state
      recovery/  side/  outputs/  starts/      as in a state folder; with shards one such folder for each
      redrive/          which dead letters were sent again

A copy is what a crash would have left at one moment. Rules:

1. The store is copied first, as SQLite copies a database that is written to. The side files are opened right after it;
   where a checkpoint has replaced one meanwhile, all begins anew. The ledgers come last: they may be newer than the
   store, as after a crash.
2. Everything is verified as a start does, and every side file read, before the copy gets its name. A folder without
   `backup.json` is no backup.
3. A restore copies and verifies beside the state. Only then it leaves its mark, takes the old state away, moves the new
   one there and removes the mark. Nothing starts on a folder with the mark.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from pynomaly.domain.error import StateError, TransientError, UnavailableError
from pynomaly.domain.seal import Seals
from pynomaly_connectors.durable_file import draft_of, replace_durably, sync_folder
from pynomaly_connectors.sealed_file import read_sealed
from pynomaly_flows.folder_lock import hold
from pynomaly_flows.shard_folders import forget, state_folders
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
from pynomaly_flows.state_owner import Owner

MANIFEST: Final = "backup.json"
_FORMAT: Final = 1
_ATTEMPTS: Final = 10
_REDRIVES: Final = Path("redrive") / "ledger.sqlite3"
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself.

    Parameters
    ----------
    made
        When it was begun: what the flow did since is not in it.
    folders
        State folders in it: `.`, or one for each shard.
    files
        Path in the backup -> size [bytes] and BLAKE2b-256 in hexadecimal.
    """

    made: str
    folders: tuple[str, ...]
    files: dict[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())


class _ReplacedError(Exception):
    """A checkpoint has replaced a side file while it was to be copied."""


def back_up(root: Path, target: Path, owner: Owner) -> Backup:
    """Copy the state of a flow, which may be running, into a folder that does not exist or is empty.

    Raises
    ------
    StateError
        When there is no state, when it is damaged or another flow's, or when the target is not empty.
    UnavailableError
        When something cannot be read or written.
    TransientError
        When checkpoints are faster than copies.
    """
    StateFolder(root).check_whole()
    if not any(folder.recovery.exists() for folder in state_folders(root)):
        raise StateError(f"state folder {root} must hold state to be copied, held none: let the flow run first")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StateError(f"{target} must be a new or an empty folder, was neither: give each backup one of its own")
    draft = draft_of(target.absolute())
    try:
        draft.mkdir(parents=True)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        backup = _fill(root, draft, owner, made)
        draft.replace(target)
        sync_folder(target.absolute().parent)
    except OSError as error:
        raise _refused(error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return backup


def read_backup(source: Path, owner: Owner) -> Backup:
    """Return what a folder says of the backup that it holds.

    Raises
    ------
    StateError
        When it is no backup, damaged, or of another flow.
    """
    path = source / MANIFEST
    try:
        said = json.loads(read_sealed(path, Seals(owner.keys)))
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in said["files"].items()}
        backup = Backup(str(said["made"]), tuple(map(str, said["folders"])), files)
        found = FlowIdentity(said["flow"], said["fingerprint"]), said["format"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path} must say what the backup holds, was missing or unreadable ({error!r})") from None
    if found != (owner.identity, _FORMAT):
        raise StateError(f"{source} must be a backup of {owner.identity} in format {_FORMAT}, was of {found}")
    _check_paths(source, backup)
    return backup


def restore(source: Path, root: Path, owner: Owner, *, overwrite: bool = False) -> Backup:
    """Bring a backup back into the state folder of a flow that does not run.

    Raises
    ------
    StateError
        When the backup is damaged or another flow's, or when the folder is in use, or holds state and ``overwrite``
        is not given.
    UnavailableError
        When something cannot be read or written.
    """
    backup = read_backup(source, owner)
    with hold(root):
        if not overwrite and any(folder.holds_anything for folder in (StateFolder(root), *state_folders(root))):
            raise StateError(
                f"state folder {root} must be empty, held state: give --state another folder, or replace it by "
                "--overwrite"
            )
        try:
            draft = root / "restoring.new"
            shutil.rmtree(draft, ignore_errors=True)
            _copy_back(source, draft, backup)
            for name in backup.folders:
                StateFolder(draft / name).examine(owner.identity, owner.keys)
            _replace(root, draft, backup)
        except OSError as error:
            raise _refused(error) from None
        finally:
            shutil.rmtree(root / "restoring.new", ignore_errors=True)
    return backup


def _fill(root: Path, draft: Path, owner: Owner, made: str) -> Backup:
    names = tuple(str(folder.root.relative_to(root)) for folder in state_folders(root))
    for name in names:
        _copy_folder(StateFolder(root / name), StateFolder(draft / name), owner)
    if (root / _REDRIVES).exists():
        (draft / _REDRIVES).parent.mkdir()
        _copy_database(root / _REDRIVES, draft / _REDRIVES)
    files = {str(path.relative_to(draft)): _settled(path) for path in sorted(draft.rglob("*")) if path.is_file()}
    for folder in (path for path in draft.rglob("*") if path.is_dir()):
        sync_folder(folder)
    backup = Backup(made, names, files)
    said = {"format": _FORMAT, **asdict(owner.identity), **asdict(backup)}
    replace_durably(draft / MANIFEST, Seals(owner.keys).seal(json.dumps(said, indent=1).encode(), MANIFEST))
    return backup


def _copy_folder(folder: StateFolder, draft: StateFolder, owner: Owner) -> None:
    for _ in range(_ATTEMPTS):
        shutil.rmtree(draft.root / "side", ignore_errors=True)
        shutil.rmtree(draft.recovery, ignore_errors=True)
        try:
            _copy_moment(folder, draft, owner)
        except _ReplacedError:
            continue
        for ledger in (folder.outputs, folder.starts):
            _copy_ledger(ledger, draft.root / ledger.name)
        draft.examine(owner.identity, owner.keys)
        return
    raise TransientError(
        f"side files of {folder.root} must stay for the length of a copy, were replaced {_ATTEMPTS} times: "
        "let the flow checkpoint more rarely (`checkpoint.every`), or stop it for the backup"
    )


def _copy_moment(folder: StateFolder, draft: StateFolder, owner: Owner) -> None:
    """Copy the store and the side files that it refers to."""
    draft.recovery.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder.identity, draft.identity)
    with ExitStack() as opened:
        _copy_database(folder.store, draft.store)
        files = dict(_open_all(folder.side, opened))
        for wanted in draft.wanted_files(owner.identity, owner.keys):
            if wanted.name not in files:
                raise _ReplacedError
            draft.side.mkdir(exist_ok=True)
            with (draft.side / wanted.name).open("wb") as copy:
                shutil.copyfileobj(files[wanted.name], copy, _CHUNK_BYTES)


def _open_all(folder: Path, opened: ExitStack) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the side files: an open file stays readable when the flow deletes it."""
    for path in folder.glob("*.state"):
        try:
            yield path.name, opened.enter_context(path.open("rb"))
        except FileNotFoundError:
            continue


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30.0)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    except sqlite3.DatabaseError as error:
        raise StateError(f"{source} must be a sound SQLite database that can be copied, was not ({error})") from None


def _copy_ledger(ledger: Path, target: Path) -> None:
    """Copy small files that are only ever replaced as a whole."""
    if ledger.exists():
        target.mkdir(exist_ok=True)
        for path in ledger.glob("[!.]*"):
            shutil.copyfile(path, target / path.name)


def _settled(path: Path) -> tuple[int, str]:
    """Make a file durable; return its size and checksum."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.blake2b(digest_size=32)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()


def _check_paths(source: Path, backup: Backup) -> None:
    """Refuse a manifest that leads out of its folder: without a key anybody may have written it."""
    for name in (*backup.folders, *backup.files):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise StateError(f"{source / MANIFEST} must name files of the backup, named {name!r}")


def _copy_back(source: Path, draft: Path, backup: Backup) -> None:
    for name, expected in backup.files.items():
        copy = draft / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source / name, copy)
        except FileNotFoundError:
            raise StateError(f"{source / name} must be there, as {MANIFEST} says, was missing") from None
        if _settled(copy) != expected:
            raise StateError(f"{source / name} must be as {MANIFEST} says, was changed: take another backup")
    for name in backup.folders:
        (draft / name / "outputs").mkdir(parents=True, exist_ok=True)  # says that a flow has run


def _replace(root: Path, draft: Path, backup: Backup) -> None:
    """Put the copy in place of what is there; until it is whole the mark says so."""
    replace_durably(StateFolder(root).restoring, b"")
    forget(root)
    if (root / _REDRIVES).exists():
        shutil.rmtree(draft / _REDRIVES.parent, ignore_errors=True)  # what was sent since must not be sent again
    for name in backup.folders:
        (root / name).mkdir(exist_ok=True)
        _move_into(draft / name, root / name)
    if (draft / _REDRIVES).exists():
        _move_into(draft, root)
    StateFolder(root).restoring.unlink()
    sync_folder(root)


def _move_into(draft: Path, folder: Path) -> None:
    for entry in ("side", "outputs", "starts", "recovery", _REDRIVES.parent.name):
        if (draft / entry).exists():
            (draft / entry).rename(folder / entry)
    sync_folder(folder)


def _refused(error: OSError) -> UnavailableError:
    where = error.filename or "the disk"
    return UnavailableError(
        f"{where} must be readable and writable, was not: {error.strerror}; look at its permissions and the free space"
    )
