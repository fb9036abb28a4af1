"""What the doctor looks at in a state folder, without changing it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.seal import SealError, Seals, key_id
from pynomaly.infrastructure.state_keys import state_keys
from pynomaly.presentation.cli.finding import Finding, fail, ok, warn
from pynomaly_connectors.sealed_file import read_sealed
from pynomaly_flows.shard_folders import state_folders
from pynomaly_flows.state_folder import FlowIdentity, StateFolder
from pynomaly_flows.state_owner import identities_of

_FEW_BYTES: Final = 500_000_000
_WAYS_OUT: Final = "restore the folder from a backup, or start over with --reset-state"


def examine_state(root: Path, spec: FlowSpec | None) -> list[Finding]:
    """Return what there is to say of a state folder, and whether it is the flow's."""
    return list(_findings(root, spec))


def _findings(root: Path, spec: FlowSpec | None) -> Iterator[Finding]:
    folder = StateFolder(root)
    nearest = next(place for place in (folder.root, *folder.root.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        yield fail("state", f"{folder.root} must be a writable folder, was not", f"look at {nearest}")
        return
    yield _room(folder.root, nearest)
    for each in state_folders(root):
        yield from _of_folder(each, spec)


def _of_folder(folder: StateFolder, spec: FlowSpec | None) -> Iterator[Finding]:
    if not folder.recovery.exists():
        yield ok("state", f"{folder.root} holds none: the flow will start from the beginning")
    elif _in_use(folder.root / "lock"):
        yield warn("state", f"{folder.root} is in use", "a flow runs on it: its store was not looked into")
    else:
        yield _store(folder)
        yield from _identity(folder, spec)


def _room(root: Path, nearest: Path) -> Finding:
    free = shutil.disk_usage(nearest).free
    text = f"{free / 1e9:,.1f} GB free for {root}"
    if free < _FEW_BYTES:
        return warn("disk", text, "state of many series needs several times its size: make room")
    return ok("disk", text)


def _in_use(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _store(folder: StateFolder) -> Finding:
    file = folder.store
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            (verdict,) = store.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return fail("state", f"{file} must be a sound store, was not ({error})", _WAYS_OUT)
    if verdict != "ok":
        return fail("state", f"{file} must be sound, was damaged ({verdict})", _WAYS_OUT)
    return ok("state", f"{file} is sound")


def _identity(folder: StateFolder, spec: FlowSpec | None) -> Iterator[Finding]:
    key = key_id(folder.identity.read_bytes()) if folder.identity.exists() else None
    if spec is None and key is not None:
        yield ok("state", f"is sealed with key {key}: name the flow to look into it")
        return
    try:
        saved = json.loads(read_sealed(folder.identity, Seals(() if spec is None else state_keys(spec.state))))
        owner = FlowIdentity(saved["flow"], saved["fingerprint"])
    except (SealError, ConfigError) as error:
        yield fail("state", str(error), _WAYS_OUT)
        return
    except (OSError, ValueError, KeyError, TypeError):
        yield fail("state", f"{folder.identity} must say whose state this is, was unreadable", _WAYS_OUT)
        return
    if spec is None:
        yield ok("state", f"is of flow {owner.flow}, fingerprint {owner.fingerprint}")
    elif owner not in identities_of(spec):
        text = f"must be of flow {spec.flow} as it is now, was of {owner.flow} with fingerprint {owner.fingerprint}"
        yield fail("state", text, "give the flow its own --state folder, or start over with --reset-state")
    else:
        yield ok("state", f"is of flow {spec.flow} as it is now")
