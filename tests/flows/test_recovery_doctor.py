"""The doctor deletes what no resume may see, and only that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from pynomaly_flows.recovery_doctor import doctor

_ID = "0123"


def _store(folder: Path, executions: Iterable[tuple[int, int, int]], fronts: Iterable[tuple[int, int, int]]) -> Path:
    """Make a store with executions (number, workers, resume epoch), frontiers and a snapshot in epochs 1 to 9."""
    init_db_dir(folder, 1)
    doctor(folder, _ID)
    file = folder / "part-0.sqlite3"
    with closing(sqlite3.connect(file)) as store, store:
        store.executemany("INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)", executions)
        store.executemany("INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (?, ?, ?)", fronts)
        store.executemany(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES ('s', 'k', ?, x'00')",
            [(epoch,) for epoch in range(1, 10)],
        )
    return file


def _epochs(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as store:
        return [epoch for (epoch,) in store.execute("SELECT snap_epoch FROM snaps ORDER BY snap_epoch")]


@pytest.mark.parametrize(
    ("executions", "fronts", "kept"),
    [
        ([(0, 1, 1)], [(0, 0, 6)], 5),
        ([(0, 1, 1), (1, 1, 6)], [(0, 0, 6), (1, 0, 8)], 7),
        ([(0, 1, 1), (1, 1, 4)], [(0, 0, 4)], 3),
        ([(0, 3, 1)], [(0, 0, 7), (0, 1, 5), (0, 2, 9)], 4),
        ([(0, 2, 3)], [(0, 0, 7)], 2),
        ([], [], 9),
    ],
    ids=["one-worker", "last-execution", "crash-before-first-frontier", "slowest-worker", "silent-worker", "never-run"],
)
def test_snapshots_from_the_resume_epoch_on_are_deleted(
    tmp_path: Path, executions: list[tuple[int, int, int]], fronts: list[tuple[int, int, int]], kept: int
) -> None:
    """The resume epoch is the least frontier of the last execution's workers."""
    file = _store(tmp_path, executions, fronts)
    assert doctor(tmp_path, _ID).deleted == 9 - kept
    assert _epochs(file) == list(range(1, kept + 1))
    assert doctor(tmp_path, _ID).deleted == 0
