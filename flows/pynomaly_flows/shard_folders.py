"""Where the shards of a flow keep their state, and who may use it at once.

::

    STATE/
      lock              held alone by a flow in one process or by a supervisor, shared by single shards of one count
      shard-0-of-2/     the state folder of a shard, with its own lock, store and doctor
      shard-1-of-2/

State belongs to partitions, and a partition's shard follows from the number of shards. So a folder has one number of
shards for good; another one is refused, as is a run without shards.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pynomaly.application.shard import Shard
from pynomaly.domain.error import StateError
from pynomaly_flows.folder_lock import hold
from pynomaly_flows.state_folder import StateFolder

_SHARD_FOLDER: Final = re.compile(r"shard-\d+-of-(?P<count>\d+)", re.ASCII)


def shard_folder(root: Path, shard: Shard | None) -> StateFolder:
    """Return the folder of a shard, or of a flow without shards."""
    return StateFolder(root if shard is None else root / shard.name)


@contextmanager
def alone(root: Path, shards: int | None, *, reset: bool) -> Generator[None]:
    """Hold all of a flow's state for the length of a block: for one process, or for the supervisor of ``shards``.

    Raises
    ------
    StateError
        When it is in use, or was reached with another number of shards.
    """
    with hold(root):
        if reset:
            forget(root)
            StateFolder(root).restoring.unlink(missing_ok=True)
        StateFolder(root).check_whole()
        check_count(root, shards)
        yield


@contextmanager
def one_of_many(root: Path, shard: Shard, *, supervised: bool, reset: bool) -> Generator[StateFolder]:
    """Hold the folder of one shard for the length of a block.

    Parameters
    ----------
    root
        State of the flow.
    shard
        Whose folder.
    supervised
        A supervisor holds ``root`` for all shards; else it is shared with the other shards.
    reset
        Forget the state of this shard first.
    """
    with ExitStack() as held:
        if not supervised:
            held.enter_context(hold(root, shared=True))
            StateFolder(root).check_whole()
            check_count(root, shard.count)
        folder = shard_folder(root, shard)
        held.enter_context(folder.lock())
        if reset:
            folder.reset()
        yield folder


def check_count(root: Path, shards: int | None) -> None:
    """Check that the state was reached with this number of shards; None: without any.

    Raises
    ------
    StateError
        When it was not.
    """
    for count in sorted(_counts(root) - {shards}, key=str):
        asked, was = _words(shards), _words(count)
        raise StateError(
            f"state folder {root} must be run {was}, as its state was reached, was asked to run {asked}: run it {was}, "
            f"give the flow a new --state folder to run it {asked}, or start over with --reset-state"
        )


def _words(shards: int | None) -> str:
    return "without --shards" if shards is None else f"with --shards {shards}"


def _counts(root: Path) -> set[int | None]:
    counts: set[int | None] = {int(match["count"]) for match in map(_SHARD_FOLDER.fullmatch, _folders(root)) if match}
    return counts | {None} if StateFolder(root).recovery.exists() else counts


def state_folders(root: Path) -> list[StateFolder]:
    """Return the folder of each shard that has run here, or the only one of a flow without shards."""
    names = sorted(filter(_SHARD_FOLDER.fullmatch, _folders(root)))
    return [StateFolder(root / name) for name in names] or [StateFolder(root)]


def _folders(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []


def forget(root: Path) -> None:
    """Forget the state of every number of shards; a single shard that still runs keeps its own, and says so."""
    StateFolder(root).empty()
    for name in filter(_SHARD_FOLDER.fullmatch, _folders(root)):
        with StateFolder(root / name).lock():
            StateFolder(root / name).reset()
        shutil.rmtree(root / name)
