"""Make Bytewax's recovery store safe to resume from; run as a process of its own before every start.

Bytewax never deletes the snapshots of an epoch that a crash cut off. After a second crash such a row can be taken for
the newest durable one, and records count twice (20 of 90 double crashes, measured with 0.21.1). Deleting every row at
or above the epoch to resume at prevents it (0 of 70). It must be another process than the dataflow's: two copies of
SQLite on one file in one process break each other's locks.

    python -m pynomaly_flows.recovery_doctor STORE_FOLDER STORE_ID

exits 0 with what it has seen as JSON on standard output, or 1 with one line on standard error.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from pynomaly.domain.error import StateError
from pynomaly_flows.side_files import SideFile
from pynomaly_flows.unpickling import loads_bytes

_INPUT = "%.records"  # the step of the topology that reads
_UNKEYED = "%.unkeyed-records"  # the step that reads what is copied by series first
_ENGINES = "%.engine%"  # the step that keeps the engines' states
_RESUME_EPOCH = """
    SELECT MIN(COALESCE(fronts.worker_frontier, exs.resume_epoch))
    FROM exs
    JOIN (WITH RECURSIVE workers(worker_index) AS
            (SELECT 0 UNION ALL SELECT worker_index + 1 FROM workers WHERE worker_index < 1023)
          SELECT worker_index FROM workers) AS workers
      ON workers.worker_index < exs.worker_count
    LEFT JOIN fronts ON fronts.ex_num = exs.ex_num AND fronts.worker_index = workers.worker_index
    WHERE exs.ex_num = (SELECT MAX(ex_num) FROM exs)
"""


@dataclass(frozen=True, slots=True)
class Examined:
    """What the doctor has done and seen.

    Parameters
    ----------
    deleted
        How many snapshots no resume may see.
    partitions
        Input partitions that the store has positions of.
    side_files
        Files that the store refers to.
    unkeyed
        Partitions of the input that is copied by series first.
    """

    deleted: int
    partitions: tuple[str, ...]
    side_files: tuple[SideFile, ...] = ()
    unkeyed: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the facts as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Examined:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            When it is something else.
        """
        match json.loads(text):
            case {
                "deleted": int(deleted),
                "partitions": list(partitions),
                "side_files": list(files),
                "unkeyed": list(unkeyed),
            }:
                side_files = tuple(SideFile(file["name"], file["size"]) for file in files)
                return cls(deleted, tuple(partitions), side_files, tuple(unkeyed))
            case _:
                raise ValueError("not what the doctor writes")


def doctor(folder: Path, store_id: str) -> Examined:
    """Delete the snapshots that no resume may see; return what there was.

    Parameters
    ----------
    folder
        Holds the one file of the store.
    store_id
        Identity that the state folder remembers; written into a new store, demanded of an old one.

    Raises
    ------
    StateError
        When the store is missing, damaged or another one.
    """
    file = folder / "part-0.sqlite3"
    if not file.is_file():
        raise StateError(f"recovery store {file} must exist, was missing: {_WAYS_OUT}")
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as store:
            _check_integrity(store, file)
            _check_identity(store, file, store_id)
            deleted = _delete_aborted(store)
            return Examined(deleted, _partitions(store, _INPUT), _side_files(store), _partitions(store, _UNKEYED))
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"recovery store {file} must be a sound SQLite database, was not ({error}): {_WAYS_OUT}"
        ) from error


_WAYS_OUT = "restore the state folder from a backup, or start over with --reset-state"


def _check_integrity(store: sqlite3.Connection, file: Path) -> None:
    verdict = store.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StateError(f"recovery store {file} must be sound, was damaged ({' '.join(verdict.split())}): {_WAYS_OUT}")


def _check_identity(store: sqlite3.Connection, file: Path, store_id: str) -> None:
    """Tell this store from one that somebody emptied, made anew or copied from elsewhere."""
    store.execute("CREATE TABLE IF NOT EXISTS pynomaly_store (id TEXT NOT NULL) STRICT")
    row = store.execute("SELECT id FROM pynomaly_store").fetchone()
    has_run = store.execute("SELECT COUNT(*) FROM exs").fetchone()[0] > 0
    if row is None and not has_run:
        store.execute("INSERT INTO pynomaly_store VALUES (?)", (store_id,))
    elif row is None or row[0] != store_id:
        found = "another program's" if row is None else row[0]
        raise StateError(f"recovery store {file} must be the one of this folder ({store_id}), was {found}: {_WAYS_OUT}")


def _delete_aborted(store: sqlite3.Connection) -> int:
    (resume_epoch,) = store.execute(_RESUME_EPOCH).fetchone()
    if resume_epoch is None:
        return 0
    return store.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (resume_epoch,)).rowcount


def _partitions(store: sqlite3.Connection, step: str) -> tuple[str, ...]:
    rows = store.execute("SELECT DISTINCT state_key FROM snaps WHERE step_id LIKE ? ORDER BY state_key", (step,))
    return tuple(name for (name,) in rows)


def _side_files(store: sqlite3.Connection) -> tuple[SideFile, ...]:
    rows = store.execute("SELECT ser_change FROM snaps WHERE step_id LIKE ? AND length(ser_change) < 1024", (_ENGINES,))
    states = (loads_bytes(row) for (row,) in rows)
    files = {SideFile.referred_to(state) for state in states if state}
    return tuple(sorted((file for file in files if file is not None), key=lambda file: file.name))


def main(arguments: list[str]) -> int:
    """Run the doctor on the folder and identity given on the command line."""
    folder, store_id = arguments
    try:
        examined = doctor(Path(folder), store_id)
    except StateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(examined.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
