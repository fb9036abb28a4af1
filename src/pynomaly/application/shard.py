"""A fixed share of a flow's input partitions, for one of several processes.

Partition p of a topic belongs to shard p mod N, whatever the topic is; a file has no number and is placed by a checksum
of its path. A shard never looks at another one's partitions, and state belongs to partitions: so shards share nothing.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

from pynomaly.domain.error import ConfigError, Problem

MOST_SHARDS: Final = 1024
_NUMBERED: Final = re.compile(r".+:(?P<number>\d{1,9})", re.ASCII | re.DOTALL)
_WRITTEN: Final = re.compile(r"(?P<index>\d{1,4})/(?P<count>\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shards, counted from 0.

    >>> Shard(1, 2).owns("readings:5"), Shard(1, 2).owns("readings:6")
    (True, False)
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``K/N``.

        Raises
        ------
        ConfigError
            When it is something else.
        """
        written = _WRITTEN.fullmatch(text)
        if written is not None:
            shard = cls(int(written["index"]), int(written["count"]))
            if shard.index < shard.count <= MOST_SHARDS:
                return shard
        raise ConfigError(Problem("--shard", f"must be K/N with 0 <= K < N <= {MOST_SHARDS}, was {text!r}"))

    @classmethod
    def all_of(cls, count: int) -> tuple[Shard, ...]:
        """Return every shard of a flow that is cut into ``count``."""
        return tuple(cls(index, count) for index in range(count))

    @property
    def name(self) -> str:
        """Name of its folder, and part of the names of its files."""
        return f"shard-{self.index}-of-{self.count}"

    def owns(self, partition: str) -> bool:
        """Whether the partition of that name is read here."""
        number = number_of(partition)
        return (zlib.crc32(partition.encode()) if number is None else number) % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def number_of(partition: str) -> int | None:
    """Return the number in a partition's name, as 3 in ``readings:3``; None for a name without one, as a file's."""
    numbered = _NUMBERED.fullmatch(partition)
    return None if numbered is None else int(numbered["number"])
