"""Where Bytewax sends a key."""

from __future__ import annotations

import pytest

from pynomaly_flows.key_group import ONLY_WORKER, Worker, key_group, worker_of

_SEEN_OF_TWO = [0, 0, 0, 0, 1, 1]
_SEEN_OF_THREE = [2, 1, 0, 0, 0, 2]
_KEYS = ["readings:0#210", "readings:1#360", "readings:2#145", "readings:3#14"]


def test_the_hash_is_bytewax_own() -> None:
    """Workers of keys as they were seen in clusters of two and three processes of Bytewax 0.21.1."""
    assert [worker_of(f"readings:{number}", 2) for number in range(6)] == _SEEN_OF_TWO
    assert [worker_of(f"readings:{number}", 3) for number in range(6)] == _SEEN_OF_THREE


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 6, 8, 10, 12])
def test_partitions_are_divided_evenly(workers: int) -> None:
    """Partition p belongs to worker p mod N, as to shard p mod N."""
    for number in range(24):
        partition = f"readings:{number}"
        assert worker_of(key_group(partition), workers) == number % workers
        owners = [index for index in range(workers) if Worker(index, workers).has(partition)]
        assert owners == [number % workers]


@pytest.mark.parametrize("workers", [7, 9, 11])
def test_any_number_of_workers_covers_all_partitions(workers: int) -> None:
    """Evenly or not: each has one owner."""
    for number in range(24):
        assert sum(Worker(index, workers).has(f"readings:{number}") for index in range(workers)) == 1


def test_a_file_is_its_own_key_group() -> None:
    """It has no number to be placed by; alone, a worker has everything."""
    assert key_group("data/a.csv") == "data/a.csv"
    assert sum(Worker(index, 3).has("data/a.csv") for index in range(3)) == 1
    assert ONLY_WORKER.has("data/a.csv")


def test_a_key_never_changes() -> None:
    """It is a key of the recovery store: another one would begin at zero."""
    assert [key_group(f"readings:{number}") for number in range(4)] == _KEYS
