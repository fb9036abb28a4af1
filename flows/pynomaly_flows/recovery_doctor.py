"""Make Bytewax's recovery store safe to resume from; run as a process of its own before every start.

Bytewax never deletes the snapshots of an epoch that a crash cut off. After a second crash such a row can be taken for
the newest durable one, and records count twice (20 of 90 double crashes, measured with 0.21.1). Deleting every row at
or above the epoch to resume at prevents it (0 of 70). It must be another process than the dataflow's: two copies of
SQLite on one file in one process break each other's locks.

    python -m pynomaly_flows.recovery_doctor STORE_FOLDER STORE_ID

exits 0 with what it has seen as JSON on standard output, else with one line on standard error, 1 or, where the disk
refuses, 2.
The keys of the seals come on standard input, where nobody else sees them. What is sealed with an earlier key is sealed
anew with the present one, so that a key is out of use after one start without it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pynomaly.domain.error import StateError, UnavailableError
from pynomaly.domain.seal import UNSEALED, SealError, SealKey, Seals
from pynomaly_flows.side_file import WAYS_OUT, SideFile
from pynomaly_flows.step import ENGINE, RECORDS, UNKEYED, step_of
from pynomaly_flows.unpickling import pickled, read_row

_INPUT = f"%.{RECORDS}"
_UNKEYED = f"%.{UNKEYED}"
_LONGEST_REFERENCE = 1_024
_PRIMARY = 0xFF  # SQLite's codes say more in the upper bits
NO_DISK = 2
STORE = "part-0.sqlite3"  # Bytewax's name for the first of its files, and the only one that we let it make
_REFERENCES = f"step_id LIKE '%.{ENGINE}' AND length(ser_change) < {_LONGEST_REFERENCE}"
RESUME_EPOCH = """
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


def doctor(
    folder: Path, store_id: str, seals: Seals = UNSEALED, *, adopt: bool = False, fresh: bool = True
) -> Examined:
    """Delete the snapshots that no resume may see, and verify the seals of the others; return what there was.

    Parameters
    ----------
    folder
        Holds the one file of the store.
    store_id
        Identity that the state folder remembers; written into a new store, demanded of an old one.
    seals
        Of the rows.
    adopt
        Seal rows that carry no seal.
    fresh
        Whether the store may be new; else one without identity was made by somebody else.

    Raises
    ------
    StateError
        When the store is missing, damaged or another one, or a seal does not hold.
    UnavailableError
        When the disk refuses to read or write it.
    """
    file = folder / STORE
    if not file.is_file():
        raise StateError(f"recovery store {file} must exist, was missing: {WAYS_OUT}")
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as store:
            _check_integrity(store, file)
            _check_identity(store, file, store_id, fresh=fresh)
            with store:
                store.execute("BEGIN IMMEDIATE")
                deleted = _delete_aborted(store)
                side_files = _examine_rows(store, seals, adopt=adopt)
            return Examined(deleted, _partitions(store, _INPUT), side_files, _partitions(store, _UNKEYED))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & _PRIMARY in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
            raise UnavailableError(
                f"recovery store {file} must be readable and writable, was not ({error}): look at its permissions and "
                "the room on its disk"
            ) from None
        raise StateError(
            f"recovery store {file} must be a sound SQLite database, was not ({error}): {WAYS_OUT}"
        ) from error


def _check_integrity(store: sqlite3.Connection, file: Path) -> None:
    verdict = store.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StateError(f"recovery store {file} must be sound, was damaged ({' '.join(verdict.split())}): {WAYS_OUT}")


def _check_identity(store: sqlite3.Connection, file: Path, store_id: str, *, fresh: bool) -> None:
    """Tell this store from one that somebody emptied, made anew or copied from elsewhere."""
    store.execute("CREATE TABLE IF NOT EXISTS pynomaly_store (id TEXT NOT NULL) STRICT")
    row = store.execute("SELECT id FROM pynomaly_store").fetchone()
    has_run = store.execute("SELECT COUNT(*) FROM exs").fetchone()[0] > 0
    if row is None and fresh and not has_run:
        store.execute("INSERT INTO pynomaly_store VALUES (?)", (store_id,))
    elif row is None or row[0] != store_id:
        found = "another program's" if row is None else row[0]
        raise StateError(f"recovery store {file} must be the one of this folder ({store_id}), was {found}: {WAYS_OUT}")


def _delete_aborted(store: sqlite3.Connection) -> int:
    (resume_epoch,) = store.execute(RESUME_EPOCH).fetchone()
    if resume_epoch is None:
        return 0
    (committed,) = store.execute("SELECT MAX(commit_epoch) FROM commits").fetchone()
    if committed is not None and committed >= resume_epoch:
        raise StateError(
            f"recovery store must resume behind its last commit, epoch {committed}, was to at {resume_epoch}: it was "
            f"altered; {WAYS_OUT}"
        )
    deleted = store.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (resume_epoch,)).rowcount
    if committed is not None and not _partitions(store, _INPUT) and not _partitions(store, _UNKEYED):
        raise StateError(f"recovery store must hold positions of its last commit, held none; {WAYS_OUT}")
    return deleted


def _partitions(store: sqlite3.Connection, step: str) -> tuple[str, ...]:
    rows = store.execute("SELECT DISTINCT state_key FROM snaps WHERE step_id LIKE ? ORDER BY state_key", (step,))
    return tuple(name for (name,) in rows)


def _examine_rows(store: sqlite3.Connection, seals: Seals, *, adopt: bool) -> tuple[SideFile, ...]:
    """Verify the seal of every row, renew it where the key has changed, and return the files that rows refer to."""
    files: set[SideFile] = set()
    for row in _rows(store, all_steps=seals.active):
        content = _opened(store, row, seals, adopt=adopt)
        file = SideFile.referred_to(content) if row.step == ENGINE and 0 < len(content) < _LONGEST_REFERENCE else None
        files |= set() if file is None else {file}
    return tuple(sorted(files, key=lambda file: file.name))


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    step: str
    key: str
    change: bytes


def _rows(store: sqlite3.Connection, *, all_steps: bool) -> Iterator[_Row]:
    """Read row by row, for they may be large: all of them, or those that may be references."""
    chosen = "TRUE" if all_steps else _REFERENCES
    numbers = store.execute(f"SELECT rowid, step_id, state_key FROM snaps WHERE {chosen}").fetchall()  # noqa: S608
    for number, step_id, key in numbers:
        (change,) = store.execute("SELECT ser_change FROM snaps WHERE rowid = ?", (number,)).fetchone()
        yield _Row(number, step_of(step_id), key, change or b"")


def _opened(store: sqlite3.Connection, row: _Row, seals: Seals, *, adopt: bool) -> bytes:
    """Return the content of a row, which is sealed with the present key from now on."""
    try:
        sealed = read_row(row.change, seals)
        renewed = seals.renewed(sealed, row.step, row.key, adopt=adopt)
        content = seals.open(renewed, row.step, row.key)
    except SealError as error:
        raise SealError(f"recovery store, row {row.step} {row.key}: {error}") from None
    except StateError as error:
        raise StateError(f"{error} (row {row.step} {row.key})") from None
    if renewed != sealed:
        store.execute("UPDATE snaps SET ser_change = ? WHERE rowid = ?", (pickled(renewed), row.number))
    return content


def orders_text(seals: Seals, *, adopt: bool, fresh: bool) -> str:
    """Return what the process is told on its standard input; holds keys in the clear."""
    keys = [[key.id, key.code.hex()] for key in seals.keys]
    return json.dumps({"keys": keys, "scope": seals.scope, "adopt": adopt, "fresh": fresh})


def _read_seals(orders: Mapping[str, Any]) -> Seals:
    keys = tuple(SealKey(name, bytes.fromhex(code)) for name, code in orders["keys"])
    return Seals(keys, tuple(orders["scope"]))


def main(arguments: list[str]) -> int:
    """Run the doctor on the folder and identity given on the command line."""
    folder, store_id = arguments
    orders = json.load(sys.stdin)
    try:
        examined = doctor(Path(folder), store_id, _read_seals(orders), adopt=orders["adopt"], fresh=orders["fresh"])
    except (StateError, UnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return NO_DISK if isinstance(error, UnavailableError) else 1
    sys.stdout.write(examined.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
