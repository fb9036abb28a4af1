"""Which worker of a Bytewax cluster has a key, so that a partition can be read where its engine lives.

Bytewax sends an item to the worker of its key: SipHash-1-3 of the key modulo the number of workers (checked with 0.21.1
by a test on real processes). What goes from one process to another is pickled, which costs more than judging it, and
batches hold functions that cannot be pickled at all. So a worker reads those partitions whose key group is its own, and
no batch ever leaves its process.

The key of a key group is chosen so that partition p belongs to worker p mod N for every N that divides 120: hashes of a
handful of names would leave some workers idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Final

from pynomaly.application.shard import number_of

_EVEN_FOR: Final = 120  # divided by 1 to 6, 8, 10 and 12 workers; a key is found in about as many tries, 2 ms
_WORD: Final = 2**64 - 1
_END_OF_TEXT: Final = b"\xff"  # what Rust appends to a text before it is hashed


@dataclass(frozen=True, slots=True)
class Worker:
    """One of ``count`` workers of a cluster, counted from 0; each is a process of its own."""

    index: int = 0
    count: int = 1

    def has(self, partition: str) -> bool:
        """Whether the key group of a partition is this worker's."""
        return self.count == 1 or worker_of(key_group(partition), self.count) == self.index


ONLY_WORKER: Final = Worker()


@cache
def key_group(partition: str) -> str:
    """Return the key of a partition's batches, which is also the key of its engine's state: it never changes."""
    number = number_of(partition)
    if number is None:
        return partition
    keys = (f"{partition}#{salt}" for salt in count())
    return next(key for key in keys if worker_of(key, _EVEN_FOR) == number % _EVEN_FOR)


def worker_of(key: str, workers: int) -> int:
    """Return the index of the worker that Bytewax sends a key to."""
    return _siphash_1_3(key.encode() + _END_OF_TEXT) % workers


def _siphash_1_3(data: bytes) -> int:
    """Hash with a key of zeros (Aumasson and Bernstein, "SipHash", 2012, with 1 and 3 rounds as in Rust's library)."""
    state = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v0, v1, v2, v3 = _round(*state[:3], state[3] ^ word)
        state = (v0 ^ word, v1, v2, v3)
    state = (state[0], state[1], state[2] ^ 0xFF, state[3])
    for _ in range(3):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _WORD
    v1 = _turn(v1, 13) ^ v0
    v2 = (v2 + v3) & _WORD
    v3 = _turn(v3, 16) ^ v2
    v0 = (_turn(v0, 32) + v3) & _WORD
    v3 = _turn(v3, 21) ^ v0
    v2 = (v2 + v1) & _WORD
    v1 = _turn(v1, 17) ^ v2
    return v0, v1, _turn(v2, 32), v3


def _turn(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & _WORD
