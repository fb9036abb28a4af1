"""What a state folder holds, as far as it can be told without changing it and while a flow may be running on it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynomaly.domain.error import StateError
from pynomaly.domain.seal import key_id
from pynomaly_flows.folder_lock import holder
from pynomaly_flows.recovery_doctor import RESUME_EPOCH
from pynomaly_flows.shard_folders import state_folders
from pynomaly_flows.state_folder import StateFolder
from pynomaly_flows.state_owner import Owner
from pynomaly_flows.step import RECORDS, UNKEYED, step_of
from pynomaly_flows.unpickling import read_row

_POSITIONS: Final = f"""
    SELECT step_id, state_key, ser_change, MAX(snap_epoch) FROM snaps
    WHERE (step_id LIKE '%.{RECORDS}' OR step_id LIKE '%.{UNKEYED}') AND snap_epoch < ?
    GROUP BY step_id, state_key ORDER BY step_id DESC, state_key
"""  # noqa: S608 - no value of anybody's


@dataclass(frozen=True, slots=True)
class StateSummary:
    """What one folder holds.

    Parameters
    ----------
    folder
        Its path.
    holder
        Process that uses it; None: nobody.
    key
        Id of the key that it is sealed with; None: it is not sealed.
    epoch
        At which a start would go on; None before the first checkpoint.
    starts
        How often the flow has been started on it.
    age_s
        Since the store was last written [s].
    positions
        Input partition -> where a start would go on, as the source writes it; with `keying: repartition` both those
        that are copied and those that are judged.
    store_bytes, side_bytes, side_files
        Sizes.
    """

    folder: str
    holder: str | None
    key: str | None
    epoch: int | None
    starts: int
    age_s: float
    positions: Mapping[str, str]
    store_bytes: int
    side_bytes: int
    side_files: int


def summarise(root: Path, owner: Owner) -> list[StateSummary]:
    """Return what the folder of a flow holds, or those of its shards.

    Raises
    ------
    StateError
        When a restore was cut off, the state is another flow's, a seal does not hold, or the store cannot be read.
    """
    StateFolder(root).check_whole()
    return [_summary(folder, owner) for folder in state_folders(root) if folder.recovery.exists()]


def _summary(folder: StateFolder, owner: Owner) -> StateSummary:
    seals = folder.check_identity(owner.identity, owner.keys)
    files = [path for path in folder.recovery.glob(f"{folder.store.name}*") if path.is_file()]
    sizes = [path.stat().st_size for path in folder.side.glob("*.state")]
    store = folder.store
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            opened.execute("BEGIN")  # one moment for all of it
            (epoch,) = opened.execute(RESUME_EPOCH).fetchone()
            (starts,) = opened.execute("SELECT COUNT(*) FROM exs").fetchone()
            rows = opened.execute(_POSITIONS, (epoch or 0,)).fetchall()
    except sqlite3.DatabaseError as error:
        raise StateError(f"recovery store {store} must be a sound SQLite database, was not ({error})") from None
    return StateSummary(
        folder=str(folder.root),
        holder=holder(folder.root),
        key=key_id(folder.identity.read_bytes()),
        epoch=epoch,
        starts=starts,
        age_s=max(0.0, time.time() - max((path.stat().st_mtime for path in files), default=0.0)),
        positions={
            name: seals.open(read_row(row, seals), step_of(step_id), name).decode(errors="replace")
            for step_id, name, row, _ in rows
        },
        store_bytes=sum(path.stat().st_size for path in files),
        side_bytes=sum(sizes),
        side_files=len(sizes),
    )
